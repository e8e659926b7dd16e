// Reading, writing and checking values by the table of keys.
// Must not know any particular key.

extension EngineConfiguration {
    /// Every value that is out of its range, each as one error.
    public func validate() -> [ConfigurationError] {
        Self.keys.filter { !$0.accepts(self) }.map { key in
            ConfigurationError(
                key: key.name, fault: .notAccepted, found: key.text(in: self), accepted: key.accepted)
        }
    }

    /// Sets a key from text: `set("politeness.delay_ms", "250")`.
    ///
    /// Numbers take the unit of the key, or a string with one ("2s", "64Mi"). `-` unsets a key that can be
    /// unset.
    ///
    /// Errors: `ConfigurationError` for an unknown key and for a value that the key does not take; nothing is
    /// changed then.
    public mutating func set(_ key: String, _ value: String) throws(ConfigurationError) {
        guard let declaration = Self.keys.first(where: { $0.name == key }) else {
            throw ConfigurationError(
                key: key, fault: .unknownKey(nearest: Self.nearestKey(to: key)), found: value, accepted: "")
        }
        var changed = self
        guard declaration.write(value, to: &changed), declaration.accepts(changed) else {
            throw ConfigurationError(
                key: key, fault: .notAccepted, found: value, accepted: declaration.accepted)
        }
        self = changed
    }

    /// The value of a key as text, `-` for unset; nil for an unknown key.
    public func text(of key: String) -> String? {
        Self.keys.first { $0.name == key }?.text(in: self)
    }

    /// The known key with the fewest changed letters, if those are at most a third of it.
    static func nearestKey(to key: String) -> String? {
        guard key.utf8.count <= 256 else { return nil }
        let nearest = keys.map { ($0.name, editDistance(key, $0.name)) }.min { $0.1 < $1.1 }
        return nearest.flatMap { name, distance in distance <= name.utf8.count / 3 ? name : nil }
    }

    /// How many bytes must be inserted, deleted or replaced (Wagner and Fischer). Complexity: O(n · m).
    private static func editDistance(_ left: String, _ right: String) -> Int {
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        for (index, byte) in left.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (right[column] == byte ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}

extension ConfigurationKey {
    /// Whether the key's value is one that it takes.
    func accepts(_ configuration: EngineConfiguration) -> Bool {
        switch kind {
        case .number(let path, let range, _):
            return range.contains(configuration[keyPath: path])
        case .optionalNumber(let path, let range, _):
            return configuration[keyPath: path].map(range.contains) ?? true
        case .boolean, .choice:
            return true
        case .text(let path, let lengthMax):
            return Self.isPrintable(configuration[keyPath: path], lengthMax)
        case .optionalText(let path, let lengthMax):
            return configuration[keyPath: path].map { Self.isPrintable($0, lengthMax) } ?? true
        }
    }

    /// The value as a person writes it; `-` for unset.
    func text(in configuration: EngineConfiguration) -> String {
        switch kind {
        case .number(let path, _, let unit):
            return Self.text(configuration[keyPath: path], unit)
        case .optionalNumber(let path, _, let unit):
            return configuration[keyPath: path].map { Self.text($0, unit) } ?? "-"
        case .boolean(let path):
            return String(configuration[keyPath: path])
        case .text(let path, _):
            let text = configuration[keyPath: path]
            return text.isEmpty ? "-" : text
        case .optionalText(let path, _):
            return configuration[keyPath: path] ?? "-"
        case .choice(_, let read, _):
            return read(configuration)
        }
    }

    /// Whether `value` could be read and was written. Its range is not looked at.
    func write(_ value: String, to configuration: inout EngineConfiguration) -> Bool {
        switch kind {
        case .number(let path, _, let unit):
            guard let number = Self.number(value, unit) else { return false }
            configuration[keyPath: path] = number
        case .optionalNumber(let path, _, let unit):
            guard value != "-" else {
                configuration[keyPath: path] = nil
                return true
            }
            guard let number = Self.number(value, unit) else { return false }
            configuration[keyPath: path] = number
        case .boolean(let path):
            guard let boolean = Bool(value) else { return false }
            configuration[keyPath: path] = boolean
        case .text(let path, _):
            configuration[keyPath: path] = value == "-" ? "" : value
        case .optionalText(let path, _):
            configuration[keyPath: path] = value == "-" || value.isEmpty ? nil : value
        case .choice(let names, _, let write):
            guard names.contains(value) else { return false }
            write(&configuration, value)
        }
        return true
    }

    private static func text(_ stored: Int, _ unit: NumberUnit) -> String {
        stored.isMultiple(of: unit.storedPerOne) ? String(stored / unit.storedPerOne) : "\(stored)ms"
    }

    /// Decimal digits, with a suffix that the unit knows or none; nil when it is more than that or does not
    /// fit.
    private static func number(_ text: String, _ unit: NumberUnit) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let number = Int(digits) else { return nil }
        let suffix = text.dropFirst(digits.count)
        var factor = unit.storedPerOne
        if !suffix.isEmpty {
            guard let known = unit.suffixes.first(where: { $0.0 == suffix }) else { return nil }
            factor = known.1
        }
        let (product, overflows) = number.multipliedReportingOverflow(by: factor)
        return overflows ? nil : product
    }

    /// No control characters: a header field or a path with a line break is an attack or an accident.
    private static func isPrintable(_ text: String, _ lengthMax: Int) -> Bool {
        text.utf8.count <= lengthMax
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }
}
