// The Retry-After field: seconds or a date.
// Must not know a clock: the present is an argument.

/// Reads Retry-After. Source: RFC 9110 §10.2.3 and §5.6.7.
enum RetryAfter {
    /// A longer wait is taken for this one: a server must not be able to park a crawl for a year.
    static let waitMsMax = 3_600_000

    /// How long the field asks to wait, at most `waitMsMax`; nil when it is neither a number nor a date.
    static func waitMs(_ field: String, now: WallClockInstant) -> Int? {
        let text = field.trimmingSpaces
        if !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // More digits than fit are a long wait like any other.
            return min((Int(text) ?? .max).multipliedSaturating(by: 1_000), waitMsMax)
        }
        guard let date = HTTPDate.parse(text) else { return nil }
        return Int(min(max(0, date.milliseconds - now.milliseconds), Int64(waitMsMax)))
    }
}

/// Dates in HTTP fields. Source: RFC 9110 §5.6.7: a recipient accepts all three forms.
enum HTTPDate {
    private static let months: [Substring] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The moment that the text names; nil when it has none of the three forms. The day of the week is not
    /// checked.
    static func parse(_ text: Substring) -> WallClockInstant? {
        var words = text.split(separator: " ")
        guard !words.isEmpty, text.utf8.count <= 64 else { return nil }
        if words[0].hasSuffix(",") {
            words.removeFirst()
            if words.count == 3 {
                // RFC 850: "Sunday, 06-Nov-94 08:49:37 GMT".
                let date = words[0].split(separator: "-")
                guard date.count == 3, words[2] == "GMT", let short = number(date[2], digits: 2) else {
                    return nil
                }
                // A two-digit year lies within 50 years; until 2044 that makes 45 to 99 the last century's.
                return moment(year: short < 45 ? 2000 + short : 1900 + short, date[1], date[0], words[1])
            }
            // IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
            guard words.count == 5, words[4] == "GMT", let year = number(words[2], digits: 4) else {
                return nil
            }
            return moment(year: year, words[1], words[0], words[3])
        }
        // asctime: "Sun Nov  6 08:49:37 1994".
        guard words.count == 5, let year = number(words[4], digits: 4) else { return nil }
        return moment(year: year, words[1], words[2], words[3])
    }

    private static func moment(
        year: Int, _ monthName: Substring, _ dayText: Substring, _ timeText: Substring
    ) -> WallClockInstant? {
        let time = timeText.split(separator: ":", omittingEmptySubsequences: false)
        guard let month = months.firstIndex(of: monthName),
            let day = number(dayText, digits: dayText.utf8.count), (1...31).contains(day), time.count == 3,
            let hour = number(time[0], digits: 2), let minute = number(time[1], digits: 2),
            let second = number(time[2], digits: 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = CivilDate(year: Int64(year), month: month + 1, day: day).daysSince1970
        let seconds = days * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
        return WallClockInstant(milliseconds: seconds * 1_000)
    }

    private static func number(_ text: Substring, digits: Int) -> Int? {
        guard text.utf8.count == digits, (1...4).contains(digits),
            text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(text)
    }
}

extension String {
    /// Without spaces and tabs at its ends.
    fileprivate var trimmingSpaces: Substring {
        var text = self[...]
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}

extension Int {
    /// The product, or the largest number when it does not fit.
    fileprivate func multipliedSaturating(by factor: Int) -> Int {
        let (product, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? .max : product
    }
}
