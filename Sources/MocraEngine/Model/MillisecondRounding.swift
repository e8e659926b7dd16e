// From the standard library's Duration to the whole milliseconds that deadlines and delays are counted in.

extension Duration {
    /// Whole milliseconds, rounded up, so that no delay is undercut; the largest number when it does not fit.
    var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !overflows else { return seconds < 0 ? .min : .max }
        let (sum, sumOverflows) = whole.addingReportingOverflow(
            (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        return sumOverflows ? .max : Int(sum)
    }
}
