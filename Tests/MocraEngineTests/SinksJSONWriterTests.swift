// The JSON writer against Foundation's reader, and its escapes byte by byte.
import Foundation
import MocraEngine
import Testing

@Suite struct SinksJSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func parsed(_ bytes: [UInt8]) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    }

    @Test func writesStructure() {
        let object = text { writer in
            writer.beginObject()
            writer.field("url", "https://a.example/")
            writer.field("status", 200)
            writer.field("bytes", UInt64.max)
            writer.field("ms", 1.5)
            writer.field("ok", true)
            writer.field("title", nil as String?)
            writer.field("chain", ["a", "b"])
            writer.field("list", [1, 2, nil])
            writer.key("inner")
            writer.beginArray()
            writer.beginObject()
            writer.endObject()
            writer.beginArray()
            writer.endArray()
            writer.null()
            writer.bool(false)
            writer.endArray()
            writer.endObject()
            writer.endLine()
        }
        let expected =
            #"{"url":"https://a.example/","status":200,"bytes":18446744073709551615,"ms":1.5,"#
            + #""ok":true,"title":null,"chain":["a","b"],"list":[1,2,null],"inner":[{},[],null,false]}"#
            + "\n"
        #expect(object == expected)
    }

    @Test func writesLines() {
        let lines = text { writer in
            for number in 1...3 {
                writer.beginArray()
                writer.int(number)
                writer.endArray()
                writer.endLine()
            }
        }
        #expect(lines == "[1]\n[2]\n[3]\n")
    }

    @Test func startsAgain() {
        var writer = JSONWriter(capacity: 64)
        writer.beginObject()
        writer.field("a", 1)
        writer.removeAll(keepingCapacity: true)
        writer.int(5)
        writer.endLine()
        #expect(writer.bytes == Array("5\n".utf8))
    }

    @Test(arguments: [
        ("", #""""#), ("plain", #""plain""#), ("a\"b\\c/d", #""a\"b\\c/d""#),
        ("\u{8}\u{9}\u{A}\u{C}\u{D}", #""\b\t\n\f\r""#), ("\0\u{1}\u{1F}", #""\u0000\u0001\u001f""#),
        ("\u{7F}", "\"\u{7F}\""), ("é日𝄞", "\"é日𝄞\""), ("a\u{2028}b\u{2029}c", #""a\u2028b\u2029c""#),
        ("\u{2027}\u{202A}\u{20A8}", "\"\u{2027}\u{202A}\u{20A8}\""), ("</script>", #""</script>""#),
    ])
    func escapes(_ string: String, _ json: String) {
        #expect(text { $0.string(string) } == json)
        let bytes = Array(string.utf8)
        #expect(text { $0.string(utf8: bytes.span) } == json)
    }

    @Test func escapesAtEveryPlaceOfAWord() throws {
        // The scan takes eight bytes at a time; every byte value at every place among them.
        for byte in UInt8.min...UInt8.max {
            for place in 0..<17 {
                var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 17)
                bytes[place] = byte
                var writer = JSONWriter()
                writer.string(utf8: bytes.span)
                let back = try #require(try parsed(writer.bytes) as? String)
                #expect(back == String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    @Test(
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1], [0xC3], [0xE0, 0x80, 0x80], [0xE0, 0xA0], [0xE0, 0xA0, 0x41],
            [0xED, 0xA0, 0x80],
            [0xE2, 0x80], [0xE2], [0xF0, 0x8F, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x41],
            [0xF4, 0x90, 0x80],
            [0xF5, 0x80], [0xFF, 0xFE], [0xE2, 0x80, 0xC3, 0xA9], [0xF1, 0x80, 0xE1, 0x80, 0xC2, 0x41],
            [0x41, 0xF0],
        ] as [[UInt8]])
    func repairsAsTheStandardLibraryDoes(_ bytes: [UInt8]) {
        for tail in [[], Array("tail".utf8), Array("\"".utf8)] {
            var writer = JSONWriter()
            writer.string(utf8: (bytes + tail).span)
            #expect(
                writer.bytes
                    == text { $0.string(String(decoding: bytes + tail, as: UTF8.self)) }.utf8.map { $0 })
        }
    }

    @Test(arguments: [
        (0, "0"), (-1, "-1"), (9, "9"), (10, "10"), (-1_000_000, "-1000000"),
        (Int.max, "9223372036854775807"), (Int.min, "-9223372036854775808"),
    ])
    func writesIntegers(_ value: Int, _ json: String) {
        #expect(text { $0.int(value) } == json)
    }

    @Test(
        arguments: [
            0.0, -0.0, 1, -1.5, 0.1, 1e21, 1e-7, 123_456_789.125, .pi, .greatestFiniteMagnitude,
            .leastNonzeroMagnitude,
            .leastNormalMagnitude, 9_007_199_254_740_991,
        ] as [Double])
    func writesDoubles(_ value: Double) throws {
        var writer = JSONWriter()
        writer.double(value)
        #expect(try parsed(writer.bytes) is Double)
        let back = Double(String(decoding: writer.bytes, as: UTF8.self))
        #expect(back == value && back?.sign == value.sign)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity])
    func writesNullForWhatJSONLacks(_ value: Double) {
        #expect(text { $0.double(value) } == "null")
    }

    @Test(arguments: 0..<4)
    func randomTreesComeBack(_ seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        for _ in 0..<200 {
            let tree = Tree.random(depth: 4, using: &random)
            var writer = JSONWriter()
            writer.value(tree)
            writer.endLine()
            #expect(!writer.bytes.dropLast().contains(UInt8(ascii: "\n")))
            #expect(Tree(try parsed(writer.bytes)) == tree)
        }
    }

    @Test(arguments: 0..<4)
    func randomBytesAreAlwaysJSON(_ seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                // Bytes that begin or continue sequences come more often than chance would have it.
                Bool.random(using: &random)
                    ? [0xE2, 0x80, 0xA8, 0xF0, 0x9F, 0xED, 0xA0, 0xC3, 0x22, 0x5C].randomElement(
                        using: &random) ?? 0
                    : UInt8.random(in: 0...255, using: &random)
            }
            var writer = JSONWriter()
            writer.string(utf8: bytes.span)
            #expect(try parsed(writer.bytes) as? String == String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func encodesAnyEncodable() throws {
        struct Item: Encodable {
            var url = "https://a.example/"
            var tags = ["x", "y"]
            var none: Int?
            var nested = ["k": 1.5]
            var date = Date(timeIntervalSince1970: 0)
        }
        let json = text { writer in
            writer.beginArray()
            if let encoded = try? EncodedJSON(Item()) { writer.value(encoded) }
            writer.int(1)
            writer.endArray()
        }
        let expected =
            #"[{"date":"1970-01-01T00:00:00Z","nested":{"k":1.5},"tags":["x","y"],"#
            + #""url":"https://a.example/"},1]"#
        #expect(json == expected)
        #expect(try EncodedJSON("fragment").bytes == Array("\"fragment\"".utf8))
    }

    @Test func saysWhatCannotBeEncoded() throws {
        struct Item: Encodable { var price = ["net": Double.nan] }
        let error = try #require(throws: JSONEncodingError.self) { try EncodedJSON(Item()) }
        #expect(error.path == ["price", "net"])
        #expect(error.description.contains("Item") && error.description.contains("price.net"))
        #expect(!error.description.contains("\n"))
    }
}

/// Any JSON value, for round trips. Without truth values, which Foundation reads as numbers.
private indirect enum Tree: JSONRepresentable, Equatable {
    case null, number(Double), string(String), array([Tree]), object([String: Tree])

    init(_ value: Any) {
        switch value {
        case is NSNull: self = .null
        case let text as String: self = .string(text)
        case let list as [Any]: self = .array(list.map(Tree.init))
        case let members as [String: Any]: self = .object(members.mapValues(Tree.init))
        case let number as NSNumber: self = .number(number.doubleValue)
        default: self = .string("unknown \(type(of: value))")
        }
    }

    static func random(depth: Int, using random: inout SeededBytes) -> Tree {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 4), using: &random) {
        case 0: return .null
        case 1: return .number(Double(Int.random(in: -9...9, using: &random)))
        // Foundation on Linux rounds numbers of 16 digits, so these have few; writesDoubles has the rest.
        case 2: return .number(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 64)
        case 3: return .string(text(using: &random))
        case 4, 5: return .array((0..<4).map { _ in Self.random(depth: depth - 1, using: &random) })
        default:
            var members: [String: Tree] = [:]
            for _ in 0..<4 { members[text(using: &random)] = Self.random(depth: depth - 1, using: &random) }
            return .object(members)
        }
    }

    private static func text(using random: inout SeededBytes) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0..<20, using: &random) {
            let last: UInt32 = [0x7F, 0xFF, 0x2030, 0x10FFFF].randomElement(using: &random) ?? 0
            let value = UInt32.random(in: 0...last, using: &random)
            if let scalar = Unicode.Scalar(value) { text.append(scalar) }
        }
        return String(text)
    }

    func writeJSON(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .number(let value): writer.double(value)
        case .string(let value): writer.string(value)
        case .array(let values): values.writeJSON(to: &writer)
        case .object(let members):
            writer.beginObject()
            for (name, value) in members { writer.field(name, value) }
            writer.endObject()
        }
    }
}
