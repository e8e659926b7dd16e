// Codable types as MessagePack: what they become, that they come back, and what is refused.

import MocraFastPath
import TestSupport
import Testing

private struct Address: Codable, Equatable {
    var street: String
    var number: UInt16?
    var tags: [String]
}

private enum Shape: Codable, Equatable {
    case point
    case circle(radius: Double)
    case named(String, Int)
}

private enum Level: String, Codable { case low, high }

private struct Everything: Codable, Equatable {
    var yes = true
    var int = -5
    var int8 = Int8.min
    var int16 = Int16.min
    var int32 = Int32.min
    var int64 = Int64.min
    var uint = UInt.max
    var uint8 = UInt8.max
    var uint16 = UInt16.max
    var uint32 = UInt32.max
    var uint64 = UInt64.max
    var float = Float(0.25)
    var double = 1.0e300
    var text = "grüße 🍺"
    var nothing: Int?
    var something: Int? = 3
    var address = Address(street: "Am Markt", number: nil, tags: ["a", "", "c"])
    var shapes: [Shape] = [.point, .circle(radius: 2), .named("x", 1)]
    var level = Level.high
    var byName: [String: [Int]] = ["one": [1], "none": []]
    var byNumber: [Int: String] = [-1: "minus one", 7: "seven"]
    var bytes: [UInt8] = [0, 255, 128]
    var moment = MessagePackTimestamp(seconds: -3, nanoseconds: 500)
    var nested: [[Int?]] = [[1, nil], []]
}

private class Animal: Codable {
    var name = "animal"
}

private final class Dog: Animal {
    var age = 3

    enum Key: CodingKey { case age }

    override init() { super.init() }

    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        age = try container.decode(Int.self, forKey: .age)
        try super.init(from: container.superDecoder())
    }

    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try super.encode(to: container.superEncoder())
        try container.encode(age, forKey: .age)
    }
}

/// Fills two nested containers by turns, and its own between.
private struct Interleaved: Encodable {
    enum Key: CodingKey { case first, second, third }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        var first = container.nestedUnkeyedContainer(forKey: .first)
        var second = container.nestedContainer(keyedBy: Key.self, forKey: .second)
        try first.encode(1)
        try second.encode("a", forKey: .first)
        try container.encode(true, forKey: .third)
        try first.encode(2)
        var inner = first.nestedUnkeyedContainer()
        try second.encode("b", forKey: .second)
        try inner.encodeNil()
        try first.encode(3)
    }
}

private struct Empty: Encodable {
    func encode(to encoder: any Encoder) {}
}

private enum Choice: Codable, Equatable {
    case first(Int)
    case second
    enum CodingKeys: Int, CodingKey { case first = 1, second = 2 }
}

/// Its keys are numbers; each number is its text too.
private struct Numbered: Codable, Equatable {
    var one: String
    enum CodingKeys: Int, CodingKey { case one = 1 }
}

private func value(_ bytes: [UInt8]) throws -> MessagePackValue {
    var reader = MessagePackReader(bytes.span)
    let value = try reader.readValue()
    try reader.finish()
    return value
}

/// What kept the input from being decoded: the case of the error, and what underlies it.
private func failure<Value: Decodable>(
    _ type: Value.Type, _ input: [UInt8], limits: MessagePackLimits = MessagePackLimits()
) -> (name: String, cause: MessagePackError?)? {
    do {
        _ = try MessagePackDecoder(limits: limits).decode(type, from: input)
        return nil
    } catch let error as DecodingError {
        switch error {
        case .typeMismatch(_, let context): return ("type", context.underlyingError as? MessagePackError)
        case .valueNotFound(_, let context): return ("value", context.underlyingError as? MessagePackError)
        case .keyNotFound(_, let context): return ("key", context.underlyingError as? MessagePackError)
        case .dataCorrupted(let context): return ("data", context.underlyingError as? MessagePackError)
        @unknown default: return ("?", nil)
        }
    } catch {
        return ("\(error)", nil)
    }
}

@Suite("MessagePack: Codable")
struct MessagePackCodingTests {
    @Test("values of every kind come back")
    func roundTrip() throws {
        let bytes = try MessagePackEncoder().encode(Everything())
        #expect(try MessagePackDecoder().decode(Everything.self, from: bytes) == Everything())
        #expect(try MessagePackDecoder().decode(Everything.self, from: bytes.span) == Everything())
        // Alone, not within something else.
        for shape in [Shape.point, .circle(radius: 1), .named("", 0)] {
            #expect(
                try MessagePackDecoder().decode(Shape.self, from: MessagePackEncoder().encode(shape)) == shape
            )
        }
        #expect(try MessagePackEncoder().encode(5) == [5])
        #expect(try MessagePackEncoder().encode("a") == [0xa1, 0x61])
        #expect(try MessagePackEncoder().encode([1, 2]) == [0x92, 1, 2])
        #expect(try MessagePackEncoder().encode([1, 2] as [UInt8]) == [0xc4, 2, 1, 2])
        #expect(try MessagePackEncoder().encode(nil as Int?) == [0xc0])
        #expect(try MessagePackDecoder().decode(Int?.self, from: [0xc0]) == nil)
    }

    @Test("more than fifteen and more than 65,535 elements")
    func longContainers() throws {
        for count in [0, 15, 16, 65_535, 65_536] {
            let array = Array(0..<count)
            let bytes = try MessagePackEncoder().encode(array)
            #expect(try MessagePackDecoder().decode([Int].self, from: bytes) == array)
        }
        let dictionary = Dictionary(uniqueKeysWithValues: (0..<1_000).map { ("key \($0)", $0) })
        let bytes = try MessagePackEncoder().encode(dictionary)
        #expect(try MessagePackDecoder().decode([String: Int].self, from: bytes) == dictionary)
    }

    @Test("what a superclass encodes stays apart")
    func inheritance() throws {
        let dog = Dog()
        dog.name = "Rex"
        dog.age = 9
        let bytes = try MessagePackEncoder().encode(dog)
        let again = try MessagePackDecoder().decode(Dog.self, from: bytes)
        #expect(again.name == "Rex" && again.age == 9)
        let animal = MessagePackValue.map([.init(.string("name"), .string("Rex"))])
        #expect(
            try value(bytes)
                == .map([.init(.string("super"), animal), .init(.string("age"), .integer(9))]))
    }

    @Test("containers may be filled by turns")
    func interleaved() throws {
        #expect(
            try value(MessagePackEncoder().encode(Interleaved()))
                == .map([
                    .init(.string("first"), .array([.integer(1), .integer(2), .array([.nil]), .integer(3)])),
                    .init(
                        .string("second"),
                        .map([
                            .init(.string("first"), .string("a")), .init(.string("second"), .string("b")),
                        ])),
                    .init(.string("third"), .boolean(true)),
                ]))
    }

    @Test("a value that encodes nothing is an error alone, and nil within another")
    func nothing() throws {
        #expect(throws: EncodingError.self) { try MessagePackEncoder().encode(Empty()) }
        #expect(try MessagePackEncoder().encode([Empty()]) == [0x91, 0xc0])
    }

    @Test("keys may be integers, are taken in any order, and unknown ones are passed over")
    func keys() throws {
        #expect(
            try MessagePackDecoder().decode(Numbered.self, from: [0x81, 0x01, 0xa1, 0x61])
                == Numbered(one: "a"))
        #expect(
            try MessagePackDecoder().decode(Choice.self, from: [0x81, 0x01, 0x81, 0xa2, 0x5f, 0x30, 0x05])
                == .first(5))
        #expect(try MessagePackDecoder().decode([Int: Bool].self, from: [0x81, 0x07, 0xc3]) == [7: true])
        #expect(
            try MessagePackDecoder().decode([String: Bool].self, from: [0x81, 0x07, 0xc3]) == ["7": true])
        let bytes = encoded {
            $0.writeMapHeader(count: 5)
            $0.write("tags")
            $0.writeArrayHeader(count: 0)
            $0.write("unknown")
            $0.write(MessagePackValue.array([.map([.init(.nil, .nil)])]))
            // No CodingKey can be these.
            $0.writeNil()
            $0.write(1)
            $0.write(UInt64.max)
            $0.write(1)
            $0.write("street")
            $0.write("x")
        }
        #expect(
            try MessagePackDecoder().decode(Address.self, from: bytes)
                == Address(street: "x", number: nil, tags: []))
    }

    @Test("an error says what is wrong and where")
    func errors() throws {
        let address = try MessagePackEncoder().encode(Address(street: "a", number: 1, tags: ["x"]))
        for cut in 0..<address.count {
            let found = failure(Address.self, Array(address[..<cut]))
            #expect(found?.name == "data" && found?.cause?.kind == .truncated, "\(cut)")
        }
        #expect(
            failure(Address.self, address + [0])?.cause == MessagePackError(.trailingBytes, at: address.count)
        )
        #expect(failure(Address.self, [0x80])?.name == "key")
        #expect(failure(Address.self, [0x90])?.name == "type")
        #expect(failure(Int.self, [0xa1, 0x61])?.name == "type")
        #expect(failure(Int.self, [0xc0])?.name == "value")
        #expect(failure(Int8.self, [0xcc, 200])?.cause == MessagePackError(.outOfRange, at: 0))
        #expect(failure([String].self, [0x91, 0xa1, 0xff])?.cause == MessagePackError(.invalidUTF8, at: 1))
        let twice: [UInt8] = [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2]
        #expect(failure([String: Int].self, twice)?.cause == MessagePackError(.duplicateKey, at: 4))
        // Other bytes are another key, though Swift takes the two for equal; so is a number.
        let alike: [UInt8] = [0x83, 0xa2, 0xc3, 0xa9, 1, 0xa3, 0x65, 0xcc, 0x81, 2, 0x01, 3]
        #expect(failure(Numbered.self, alike)?.name == "type")
        #expect(failure(Float.self, try MessagePackEncoder().encode(1e300))?.cause?.kind == .outOfRange)
        #expect(failure(Float.self, try MessagePackEncoder().encode(Double.infinity)) == nil)
        struct Three: Decodable {
            init(from decoder: any Decoder) throws {
                var elements = try decoder.unkeyedContainer()
                for _ in 0..<3 { _ = try elements.decode(Int.self) }
            }
        }
        #expect(failure(Three.self, [0x93, 1, 2, 3]) == nil)
        #expect(failure(Three.self, [0x92, 1, 2])?.name == "value")
    }

    @Test("a type that holds itself ends at the limit of depth")
    func depth() throws {
        struct Chain: Codable { var next: [Chain] }
        func chain(_ length: Int) -> [UInt8] {
            (0..<length).flatMap { _ in [0x81, 0xa4, 0x6e, 0x65, 0x78, 0x74, 0x91] as [UInt8] }
                + [0x81, 0xa4, 0x6e, 0x65, 0x78, 0x74, 0x90]
        }
        #expect(failure(Chain.self, chain(60)) == nil)
        #expect(failure(Chain.self, chain(64))?.cause?.kind == .tooDeep)
        #expect(failure(Chain.self, chain(10_000))?.cause?.kind == .tooDeep)
    }
}
