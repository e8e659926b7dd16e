// Numbers and foreign text as a person reads them on a terminal.
// Must not know a locale or a terminal.

/// Short forms of numbers.
enum HumanText {
    /// `12,345`.
    static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var result = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { result.append(",") }
            result.append(digit)
        }
        return result
    }

    /// `512 B`, `1.5 MiB`.
    static func bytes(_ number: Int) -> String {
        guard number >= 1_024 else { return "\(number) B" }
        var value = Double(number) / 1_024
        for unit in ["KiB", "MiB", "GiB"] {
            if value < 1_024 { return "\(decimal(value)) \(unit)" }
            value /= 1_024
        }
        return "\(decimal(value)) TiB"
    }

    /// `850 ms`, `12.3 s`, `4:05`, `1:02:03`.
    static func duration(ms: Int) -> String {
        if ms < 1_000 { return "\(ms) ms" }
        if ms < 60_000 { return "\(decimal(Double(ms) / 1_000)) s" }
        let seconds = ms / 1_000
        let rest = "\(padded(seconds / 60 % 60)):\(padded(seconds % 60))"
        return seconds < 3_600 ? "\(seconds / 60):\(padded(seconds % 60))" : "\(seconds / 3_600):\(rest)"
    }

    /// One digit after the point.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "-" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths < 0 ? "-" : "")\(count(Int(tenths.magnitude) / 10)).\(Int(tenths.magnitude) % 10)"
    }

    /// Text from elsewhere with everything that could move a cursor escaped, cut to 300 characters.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(300) {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .unassigned, .privateUse, .lineSeparator, .paragraphSeparator:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default:
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func padded(_ number: Int) -> String {
        number < 10 ? "0\(number)" : String(number)
    }
}
