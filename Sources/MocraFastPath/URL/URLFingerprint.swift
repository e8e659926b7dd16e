// The 128-bit identity of a URL: what seen-sets and request keys are made of.
// The only file that imports the xxHash library; it must not know what the bytes mean.

import CXXHash

/// A 128-bit XXH3 hash. Two different URLs share one with a probability of about n² / 2¹²⁹ among n URLs.
///
/// Not a cryptographic hash: whoever chooses the input can make collisions.
///
/// Source: xxHash 0.8, `XXH3_128bits`, seed 0; the value is stable across versions and machines.
public struct URLFingerprint: Sendable, Hashable {
    public let high: UInt64
    public let low: UInt64

    /// A fingerprint read back from where it was stored.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The fingerprint of `bytes`. Complexity: O(n), no allocation.
    public init(_ bytes: Span<UInt8>) {
        let hash = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe XXH3_128bits(buffer.baseAddress, buffer.count)
        }
        self.init(high: hash.high64, low: hash.low64)
    }
}

extension URLFingerprint: CustomStringConvertible {
    /// 32 hexadecimal digits, the high word first.
    public var description: String {
        Self.padded(high) + Self.padded(low)
    }

    private static func padded(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
