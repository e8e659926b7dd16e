// Memory between two pages that may not be touched, so that a C function that reads one byte too far or too
// early ends the test at once. It must not know what reads the bytes.
import Glibc

/// Room for one input at a time between two `PROT_NONE` pages.
///
/// Ownership: the pointer handed out is valid inside the closure only. Isolation: one thread.
@safe final class GuardedBytes {
    /// Which guard the input touches.
    enum Placement: CaseIterable, Sendable {
        /// The byte behind the last one is not readable.
        case beforeGuard
        /// The byte before the first one is not readable.
        case behindGuard
    }

    private let region: UnsafeMutableRawPointer
    private let regionBytes: Int
    let pageBytes: Int
    let capacity: Int

    init(capacity wanted: Int = 16384) {
        pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
        capacity = (wanted + pageBytes - 1) / pageBytes * pageBytes
        regionBytes = capacity + 2 * pageBytes
        let mapped = unsafe mmap(nil, regionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            fatalError("mmap of \(regionBytes) bytes failed with errno \(errno)")
        }
        unsafe region = unsafe mapped
        let opened = unsafe mprotect(mapped + pageBytes, capacity, PROT_READ | PROT_WRITE)
        precondition(opened == 0, "mprotect failed with errno \(errno)")
    }

    deinit {
        unsafe munmap(region, regionBytes)
    }

    /// Copies `bytes` next to the guard that `placement` names, `offset` bytes away from it, for `body`.
    func with<Result>(
        _ bytes: some Collection<UInt8>, _ placement: Placement, offset: Int = 0,
        _ body: (UnsafePointer<UInt8>, Int) -> Result
    ) -> Result {
        let count = bytes.count
        precondition(count + offset <= capacity, "the input is larger than the room between the guards")
        let shift = placement == .beforeGuard ? capacity - count - offset : offset
        let start = unsafe (region + pageBytes + shift).assumingMemoryBound(to: UInt8.self)
        let target = unsafe UnsafeMutableBufferPointer(start: start, count: count)
        _ = unsafe target.update(fromContentsOf: bytes)
        return unsafe body(start, count)
    }

    /// Puts some pages of the room out of reach as well, counted from its start.
    func protectPages(_ pages: Range<Int>) {
        protect(pages, PROT_NONE)
    }

    /// Makes the whole room readable and writable again.
    func unprotectPages() {
        protect(0..<capacity / pageBytes, PROT_READ | PROT_WRITE)
    }

    private func protect(_ pages: Range<Int>, _ access: Int32) {
        precondition(pages.upperBound * pageBytes <= capacity)
        guard !pages.isEmpty else { return }
        let start = unsafe region + pageBytes + pages.lowerBound * pageBytes
        let status = unsafe mprotect(start, pages.count * pageBytes, access)
        precondition(status == 0, "mprotect failed with errno \(errno)")
    }
}
