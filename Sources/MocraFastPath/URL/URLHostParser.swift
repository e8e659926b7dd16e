// The host parser of the URL Standard (§3.5) for special URLs: names, IPv4 numbers, IPv6 literals.
// Must not know of the rest of the URL, nor resolve anything.

extension URLParser {
    /// Appends the serialised host that `range` of the input spells.
    static func parseHost(
        _ input: Span<UInt8>, _ range: Range<Int>, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        guard let first = range.first else { throw .invalidHost("") }
        if input[first] == UInt8(ascii: "[") {
            guard input[range.upperBound - 1] == UInt8(ascii: "]"),
                let pieces = ipv6Pieces(input.extracting((first + 1)..<(range.upperBound - 1)))
            else { throw .invalidHost(excerpt(input, range)) }
            return appendIPv6(pieces, to: &output)
        }
        let start = output.count
        if appendPlainDomain(input, range, to: &output) == false {
            output.removeLast(output.count - start)
            try appendDecodedDomain(input, range, into: &output)
        }
        switch ipv4Address(output.span.extracting(start..<output.count)) {
        case .name:
            break
        case .address(let address):
            output.removeLast(output.count - start)
            appendIPv4(address, to: &output)
        case .invalid:
            throw .invalidHost(excerpt(input, range))
        }
    }

    /// Appends a domain that is nothing but allowed ASCII, in lower case; false when it is more than that.
    private static func appendPlainDomain(
        _ input: Span<UInt8>, _ range: Range<Int>, to output: inout OutputSpan<UInt8>
    ) -> Bool {
        let forbidden = ASCIISet.forbiddenDomain
        for index in range {
            let byte = input[index]
            guard !forbidden.containsOrIsNotASCII(byte) else { return false }
            output.append(byte.lowercasedASCII)
        }
        return true
    }

    /// Percent-decodes the domain and checks what came out.
    ///
    /// The mapping of an all-ASCII domain is its lower case, `xn--` labels unchecked. Ill-formed UTF-8
    /// decodes to U+FFFD, which UTS #46 disallows.
    private static func appendDecodedDomain(
        _ input: Span<UInt8>, _ range: Range<Int>, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        let decoded = percentDecoded(input, range)
        if !decoded.allSatisfy({ $0 < 0x80 }) {
            let isText = isWellFormed(decoded.span)
            throw isText ? .internationalHost(excerpt(input, range)) : .invalidHost(excerpt(input, range))
        }
        let forbidden = ASCIISet.forbiddenDomain
        for byte in decoded {
            guard !forbidden.contains(byte) else { throw .invalidHost(excerpt(input, range)) }
            output.append(byte.lowercasedASCII)
        }
    }
}

// MARK: - IPv4

extension URLParser {
    enum IPv4Result: Equatable {
        /// The last label is no number, so the host is a name.
        case name
        case address(UInt32)
        /// The host ends in a number but is no address.
        case invalid
    }

    /// The ends-in-a-number checker and the IPv4 parser in one: `domain` is lower-case ASCII.
    static func ipv4Address(_ domain: Span<UInt8>) -> IPv4Result {
        var end = domain.count
        if end > 1, domain[end - 1] == UInt8(ascii: ".") { end -= 1 }
        var lastStart = end
        while lastStart > 0, domain[lastStart - 1] != UInt8(ascii: ".") { lastStart -= 1 }
        guard lastStart < end, domain[lastStart].isASCIIDigit else { return .name }
        let last = ipv4Number(domain, lastStart..<end)
        if last == nil {
            // Decimal digits that are no octal number (`08`) still make the host end in a number.
            for index in lastStart..<end where !domain[index].isASCIIDigit { return .name }
            return .invalid
        }
        var address: UInt64 = 0
        var count = 0
        var position = 0
        while position <= end {
            var partEnd = position
            while partEnd < end, domain[partEnd] != UInt8(ascii: ".") { partEnd += 1 }
            guard count < 4, let number = ipv4Number(domain, position..<partEnd) else { return .invalid }
            if partEnd == end {
                // The last number fills all the octets that are left.
                guard number < 1 << UInt64(8 * (4 - count)) else { return .invalid }
                address |= number
            } else {
                guard number <= 255, count < 3 else { return .invalid }
                address |= number << UInt64(8 * (3 - count))
            }
            count += 1
            position = partEnd + 1
        }
        return .address(UInt32(address))
    }

    /// A decimal, octal (`0…`) or hexadecimal (`0x…`) number, at most 2³²; nil when it is none.
    private static func ipv4Number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
        guard !range.isEmpty else { return nil }
        var start = range.lowerBound
        var radix: UInt64 = 10
        if range.count >= 2, bytes[start] == UInt8(ascii: "0") {
            if bytes[start + 1] == UInt8(ascii: "x") {
                radix = 16
                start += 2
            } else {
                radix = 8
                start += 1
            }
        }
        var value: UInt64 = 0
        for index in start..<range.upperBound {
            guard let digit = bytes[index].hexDigitValue, UInt64(digit) < radix else { return nil }
            // Held at 2³², which no place accepts, however long the number is.
            value = min(value * radix + UInt64(digit), 1 << 32)
        }
        return value
    }

    private static func appendIPv4(_ address: UInt32, to output: inout OutputSpan<UInt8>) {
        for shift: UInt32 in [24, 16, 8, 0] {
            output.appendDecimal(address >> shift & 0xFF)
            if shift > 0 { output.append(UInt8(ascii: ".")) }
        }
    }
}

// MARK: - IPv6

extension URLParser {
    /// The eight pieces of the address between the brackets; nil when it is malformed.
    static func ipv6Pieces(_ text: Span<UInt8>) -> [8 of UInt16]? {
        var pieces = [8 of UInt16](repeating: 0)
        var count = 0
        var compress: Int?
        var position = 0
        if position < text.count, text[position] == UInt8(ascii: ":") {
            guard text.count >= 2, text[1] == UInt8(ascii: ":") else { return nil }
            position = 2
            compress = 0
        }
        while position < text.count {
            guard count < 8 else { return nil }
            if text[position] == UInt8(ascii: ":") {
                guard compress == nil else { return nil }
                position += 1
                compress = count
                continue
            }
            let pieceStart = position
            var value: UInt16 = 0
            while position < text.count, position - pieceStart < 4, let digit = text[position].hexDigitValue {
                value = value << 4 | UInt16(digit)
                position += 1
            }
            if position < text.count, text[position] == UInt8(ascii: ".") {
                guard count <= 6, let tail = ipv4Tail(text.extracting(pieceStart..<text.count)) else {
                    return nil
                }
                pieces[count] = UInt16(truncatingIfNeeded: tail >> 16)
                pieces[count + 1] = UInt16(truncatingIfNeeded: tail)
                count += 2
                break
            }
            if position < text.count {
                guard text[position] == UInt8(ascii: ":"), position + 1 < text.count else { return nil }
                position += 1
            }
            pieces[count] = value
            count += 1
        }
        if let compress {
            guard count < 8 else { return nil }
            let moved = count - compress
            for offset in 0..<moved {
                pieces.swapAt(7 - offset, compress + moved - 1 - offset)
            }
        } else if count != 8 {
            return nil
        }
        return pieces
    }

    /// Exactly four decimal octets without leading zeros, to the end of the text.
    private static func ipv4Tail(_ text: Span<UInt8>) -> UInt32? {
        var address: UInt32 = 0
        var position = 0
        for octet in 0..<4 {
            if octet > 0 {
                guard position < text.count, text[position] == UInt8(ascii: ".") else { return nil }
                position += 1
            }
            let start = position
            var value: UInt32 = 0
            while position < text.count, text[position].isASCIIDigit {
                guard position == start || value != 0 else { return nil }
                value = value * 10 + UInt32(text[position] - UInt8(ascii: "0"))
                guard value <= 255 else { return nil }
                position += 1
            }
            guard position > start else { return nil }
            address = address << 8 | value
        }
        return position == text.count ? address : nil
    }

    /// The serialisation in brackets: the first longest run of two or more zero pieces is compressed.
    private static func appendIPv6(_ pieces: [8 of UInt16], to output: inout OutputSpan<UInt8>) {
        var longest = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, pieces[end] == 0 { end += 1 }
            if end - index > max(longest.count, 1) { longest = index..<end }
            index = max(end, index + 1)
        }
        output.append(UInt8(ascii: "["))
        index = 0
        while index < 8 {
            if index == longest.lowerBound, !longest.isEmpty {
                output.append(index == 0 ? "::" : ":")
                index = longest.upperBound
                continue
            }
            appendHex(pieces[index], to: &output)
            if index < 7 { output.append(UInt8(ascii: ":")) }
            index += 1
        }
        output.append(UInt8(ascii: "]"))
    }

    private static func appendHex(_ value: UInt16, to output: inout OutputSpan<UInt8>) {
        var isLeading = true
        for shift: UInt16 in [12, 8, 4, 0] {
            let digit = UInt8(value >> shift & 0xF)
            if digit != 0 || shift == 0 { isLeading = false }
            if !isLeading { output.append(UInt8.upperHexDigit(digit).lowercasedASCII) }
        }
    }
}
