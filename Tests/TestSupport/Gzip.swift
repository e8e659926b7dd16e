// Compressed bodies for scripted answers, made by the gzip command, so that no code of ours decodes what code
// of ours encoded. It must not know HTTP.

/// Makes compressed data.
public enum Gzip {
    /// The bytes in gzip's format (RFC 1952). Blocks.
    public static func compress(_ bytes: [UInt8]) throws -> [UInt8] {
        let directory = try TemporaryDirectory(prefix: "mocra-gzip")
        let path = try directory.write("plain", bytes)
        let result = try runBlocking("/usr/bin/gzip", ["--no-name", "--best", path])
        guard result.exitCode == 0 else {
            throw TestSupportError("gzip failed: \(result.standardError)")
        }
        return try readBytes(path + ".gz")
    }

    /// The bytes in zlib's format (RFC 1950), which `Content-Encoding: deflate` means. Blocks.
    public static func deflate(_ bytes: [UInt8]) throws -> [UInt8] {
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        let checksum = high << 16 | low
        let trailer = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum >> UInt32($0)) }
        return [0x78, 0xda] + (try rawDeflate(bytes)) + trailer
    }

    /// The compressed blocks alone (RFC 1951), which some servers send as `deflate`. Blocks.
    public static func rawDeflate(_ bytes: [UInt8]) throws -> [UInt8] {
        // Without a name gzip's head has 10 bytes; its tail is a checksum and a length.
        Array(try compress(bytes).dropFirst(10).dropLast(8))
    }
}
