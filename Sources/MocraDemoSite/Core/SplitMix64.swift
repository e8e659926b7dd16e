// The only source of chance in the demo web: a seeded SplitMix64 and a way to mix several numbers into one
// seed. It knows no clock and no system randomness, so that a seed always gives the same web.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    /// The generator of one named thing: its numbers do not depend on what was drawn for other things.
    package init(seed: UInt64, _ first: UInt64, _ second: UInt64 = 0) {
        state = Self.scramble(Self.scramble(Self.scramble(seed) ^ first) ^ second)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.scramble(state)
    }

    /// A number in `0 ..< bound`. The bias of the plain remainder is far below what a web of pages could
    /// show.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no number to draw")
        return Int(next() % UInt64(bound))
    }

    private static func scramble(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
