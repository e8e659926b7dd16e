// A point in time as the loops see it. Machines take it as an argument; only drivers ask the clock.
internal import Glibc

/// A point on CLOCK_MONOTONIC.
/// - Units: nanoseconds since an arbitrary start, the same for all threads of the machine.
public struct LoopInstant: Sendable, Hashable, Comparable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// Reads the clock (about 25 ns).
    public static func now() -> LoopInstant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return LoopInstant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    public static func < (left: LoopInstant, right: LoopInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// This instant moved by `milliseconds` (either direction), saturating at both ends.
    public func advanced(byMs milliseconds: Int) -> LoopInstant {
        let (step, overflow) = milliseconds.magnitude.multipliedReportingOverflow(by: 1_000_000)
        let distance = overflow ? UInt.max : step
        if milliseconds < 0 {
            return LoopInstant(nanoseconds: nanoseconds > distance ? nanoseconds - UInt64(distance) : 0)
        }
        let (moved, wrapped) = nanoseconds.addingReportingOverflow(UInt64(distance))
        return LoopInstant(nanoseconds: wrapped ? .max : moved)
    }

    /// Milliseconds from here to `later`, rounded up; 0 when `later` is not later.
    public func milliseconds(to later: LoopInstant) -> Int {
        guard later > self else { return 0 }
        return Int(clamping: (later.nanoseconds - nanoseconds).dividedRoundingUp(by: 1_000_000))
    }
}

extension UInt64 {
    fileprivate func dividedRoundingUp(by divisor: UInt64) -> UInt64 {
        self / divisor + (self % divisor == 0 ? 0 : 1)
    }
}
