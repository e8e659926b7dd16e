// The format's public test suite: every value in each of its encodings.

import Foundation
import MocraFastPath
import TestSupport
import Testing

private struct SuiteCase: Decodable, CustomTestStringConvertible {
    let value: MessagePackValue
    let encodings: [[UInt8]]
    let testDescription: String

    private enum Key: String, CodingKey {
        case `nil`, bool, binary, number, bignum, string, array, map, timestamp, ext, msgpack
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        encodings = try fields.decode([String].self, forKey: .msgpack).map(bytes)
        let kind = try #require(fields.allKeys.sorted { $0.rawValue < $1.rawValue }.first { $0 != .msgpack })
        switch kind {
        case .nil: value = .nil
        case .bool: value = .boolean(try fields.decode(Bool.self, forKey: kind))
        case .binary: value = .binary(bytes(try fields.decode(String.self, forKey: kind)))
        case .bignum:
            let text = try fields.decode(String.self, forKey: kind)
            value = try #require(Int64(text).map { .integer($0) } ?? UInt64(text).map { .unsigned($0) })
        case .number:
            let number = try fields.decode(Double.self, forKey: kind)
            value = Int64(exactly: number).map { .integer($0) } ?? .double(number)
        case .timestamp:
            let parts = try fields.decode([Int64].self, forKey: kind)
            value = .timestamp(MessagePackTimestamp(seconds: parts[0], nanoseconds: UInt32(parts[1])))
        case .ext:
            var parts = try fields.nestedUnkeyedContainer(forKey: kind)
            value = .extension(try parts.decode(Int8.self), bytes(try parts.decode(String.self)))
        default: value = try fields.decode(JSONTree.self, forKey: kind).value
        }
        testDescription = "\(kind.rawValue) \(value)"
    }
}

/// The bytes of "c5-00-00".
private func bytes(_ text: String) -> [UInt8] {
    text.split(separator: "-").compactMap { UInt8($0, radix: 16) }
}

/// Strings, numbers, arrays and objects of JSON.
private struct JSONTree: Decodable {
    let value: MessagePackValue

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { return nil }
    }

    init(from decoder: any Decoder) throws {
        let single = try decoder.singleValueContainer()
        if let text = try? single.decode(String.self) {
            value = .string(text)
        } else if let number = try? single.decode(Int64.self) {
            value = .integer(number)
        } else if let elements = try? single.decode([JSONTree].self) {
            value = .array(elements.map(\.value))
        } else {
            let fields = try decoder.container(keyedBy: Name.self)
            value = .map(
                try fields.allKeys.sorted { $0.stringValue < $1.stringValue }.map {
                    MessagePackValue.Pair(
                        .string($0.stringValue), try fields.decode(JSONTree.self, forKey: $0).value)
                })
        }
    }
}

private func suite() throws -> [SuiteCase] {
    guard let directory = TestData.directory("msgpack") else { return [] }
    let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/msgpack-test-suite.json"))
    return try JSONDecoder().decode([String: [SuiteCase]].self, from: data).values.flatMap { $0 }
}

/// The number of a value, whatever its encoding.
private func number(_ value: MessagePackValue) -> Double? {
    switch value {
    case .integer(let number): Double(exactly: number)
    case .unsigned(let number): Double(exactly: number)
    case .float(let number): Double(number)
    case .double(let number): number
    default: nil
    }
}

@Suite(
    "MessagePack: the format's test suite",
    .enabled(if: TestData.directory("msgpack") != nil, "the msgpack test data is absent"))
struct MessagePackSuiteTests {
    @Test("is read as a whole")
    func count() throws {
        let cases = try suite()
        #expect(cases.count == 85 && cases.map(\.encodings.count).reduce(0, +) > 200)
    }

    @Test("each encoding gives the value")
    func reading() throws {
        for testCase in try suite() {
            for encoding in testCase.encodings {
                var reader = MessagePackReader(encoding.span)
                let value = try reader.readValue()
                try reader.finish()
                let same =
                    value == testCase.value
                    || (number(value) != nil && number(value) == number(testCase.value))
                #expect(same, "\(testCase): \(encoding) gave \(value)")
                var skipping = MessagePackReader(encoding.span)
                try skipping.skip()
                try skipping.finish()
            }
        }
    }

    @Test("integers are read as integers from each encoding")
    func integers() throws {
        for testCase in try suite() {
            for encoding in testCase.encodings {
                var reader = MessagePackReader(encoding.span)
                switch testCase.value {
                case .integer(let number): #expect(try reader.readInteger(as: Int64.self) == number)
                case .unsigned(let number): #expect(try reader.readInteger(as: UInt64.self) == number)
                default: break
                }
            }
        }
    }

    @Test("a value is written in its smallest encoding")
    func writing() throws {
        for testCase in try suite() {
            let written = encoded { $0.write(testCase.value) }
            #expect(testCase.encodings.contains(written), "\(testCase): \(written)")
            // Floats apart: an integer does not become one, and a double keeps its 64 bits.
            let lengths = testCase.encodings.filter { ![0xca, 0xcb].contains($0[0]) }.map(\.count)
            if let shortest = lengths.min() { #expect(written.count == shortest, "\(testCase): \(written)") }
        }
    }
}
