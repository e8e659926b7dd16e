// Random numbers that are the same in every run. It must not know what they are for.

/// SplitMix64: small, and good enough to choose inputs.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Cuts `count` into pieces of 1…`most` each, in order.
    public mutating func splits(of count: Int, most: Int) -> [Int] {
        var left = count
        var pieces: [Int] = []
        while left > 0 {
            let piece = Int.random(in: 1...min(left, most), using: &self)
            pieces.append(piece)
            left -= piece
        }
        return pieces
    }
}
