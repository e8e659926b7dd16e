// Files of the demo web that are not HTML.

enum DemoFiles {
    /// A small grey-scale PNG (PNG specification, third edition, sections 5 and 11).
    static func picture() -> [UInt8] {
        let side = 16
        var rows: [UInt8] = []
        for row in 0..<side {
            rows.append(0)
            rows += (0..<side).map { UInt8(truncatingIfNeeded: ($0 * row) % 256) }
        }
        let header = bigEndian(UInt32(side)) + bigEndian(UInt32(side)) + [8, 0, 0, 0, 0]
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        return signature + chunk("IHDR", header) + chunk("IDAT", Compression.zlib(rows)) + chunk("IEND", [])
    }

    private static func chunk(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
        let named = Array(name.utf8) + bytes
        return bigEndian(UInt32(bytes.count)) + named + bigEndian(Compression.crc32(named))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
