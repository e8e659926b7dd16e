// Bodies in br and zstd for scripted answers and decoders, made by the brotli and zstd commands, so that no
// code of ours decodes what code of ours encoded. It must not know HTTP.

public enum Brotli {
    /// The bytes in Brotli's format (RFC 7932). Blocks.
    public static func compress(_ bytes: [UInt8], quality: Int = 9) throws -> [UInt8] {
        let directory = try TemporaryDirectory(prefix: "mocra-brotli")
        let path = try directory.write("plain", bytes)
        let result = try runBlocking("/usr/bin/brotli", ["--quality=\(quality)", path])
        guard result.exitCode == 0 else {
            throw TestSupportError("brotli failed: \(result.standardError)")
        }
        return try readBytes(path + ".br")
    }
}

public enum Zstandard {
    /// The bytes in zstd's format (RFC 8878), with its checksum. Blocks.
    public static func compress(_ bytes: [UInt8], level: Int = 9) throws -> [UInt8] {
        let directory = try TemporaryDirectory(prefix: "mocra-zstd")
        let path = try directory.write("plain", bytes)
        let result = try runBlocking("/usr/bin/zstd", ["-q", "-\(level)", path])
        guard result.exitCode == 0 else {
            throw TestSupportError("zstd failed: \(result.standardError)")
        }
        return try readBytes(path + ".zst")
    }

    /// `blocks` times 128 KiB of zeros at 4 bytes a block (RFC 8878 §3.1.1.2.2), with a window of `windowLog`
    /// bits, 10 at least.
    public static func zeros(blocks: Int, windowLog: UInt8 = 17) -> [UInt8] {
        precondition(blocks > 0 && windowLog >= 10)
        let size = 128 << 10
        var out: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3]
        for block in 1...blocks {
            let header = (block == blocks ? 1 : 0) | 1 << 1 | size << 3
            out += [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16 & 0xff), 0]
        }
        return out
    }
}
