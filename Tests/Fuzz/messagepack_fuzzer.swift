// sources: MocraFastPath/Messagepack
// libFuzzer entry for the MessagePack reader: what is read as a tree is skipped to the same place, is written
// again in no more bytes, and reads back as the same; the decoder takes no more than the reader does.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: size))
    let limits = MessagePackLimits(depthMax: 64)
    var reading = MessagePackReader(input.span, limits: limits)
    var skipping = MessagePackReader(input.span, limits: limits)
    // An error is as good an outcome as a value, here and below: what matters is what comes of values.
    let value = try? reading.readValue()
    let skipped: Void? = try? skipping.skip()
    precondition(reading.offset <= size && skipping.offset <= size)
    precondition(value == nil || (skipped != nil && skipping.offset == reading.offset))
    if let value { checkAgain(value, atMost: reading.offset) }
    let decoder = MessagePackDecoder(limits: MessagePackLimits(depthMax: 16))
    if (try? decoder.decode(Anything.self, from: input)) != nil {
        precondition(skipped != nil && skipping.isAtEnd)
    }
    return 0
}

private func write(_ value: MessagePackValue, room: Int) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: room)
    var writer = MessagePackWriter(buffer.mutableSpan)
    writer.write(value)
    return Array(buffer[..<(try! writer.finish())])
}

private func checkAgain(_ value: MessagePackValue, atMost room: Int) {
    let written = write(value, room: room)
    var reader = MessagePackReader(written.span)
    let again = try! reader.readValue()
    precondition(reader.isAtEnd)
    // Bytes, because a NaN is not equal to itself.
    precondition(write(again, room: written.count) == written)
}

private struct Anything: Decodable {
    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int?
        init?(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init?(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
    }

    init(from decoder: any Decoder) throws {
        if let map = try? decoder.container(keyedBy: Key.self) {
            for key in map.allKeys { _ = try map.decode(Anything.self, forKey: key) }
        } else if var array = try? decoder.unkeyedContainer() {
            while !array.isAtEnd { _ = try array.decode(Anything.self) }
        } else {
            let single = try decoder.singleValueContainer()
            _ = single.decodeNil()
            _ = try? single.decode(Int16.self)
            _ = try? single.decode(Double.self)
            _ = try? single.decode(String.self)
            _ = try? single.decode([UInt8].self)
            _ = try? single.decode(MessagePackTimestamp.self)
        }
    }
}
