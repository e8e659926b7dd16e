// Texts for the options of the C core, which copies what it keeps.
internal import Glibc

/// C strings that live until ``free()``.
struct CTexts: ~Copyable {
    private var held: [UInt] = []

    /// The text as a C string; NULL for nil, and when out of memory.
    mutating func keep(_ text: String?) -> UnsafePointer<CChar>? {
        guard let text, let copy = unsafe strdup(text) else { return nil }
        held.append(UInt(bitPattern: copy))
        return unsafe UnsafePointer(copy)
    }

    consuming func free() {}

    deinit {
        for address in held { unsafe Glibc.free(UnsafeMutableRawPointer(bitPattern: address)) }
    }
}
