// sources: MocraFastPath/URL
// modules: CXXHash
// libraries: xxhash
// libFuzzer entry for the URL parser: what it takes, alone or against a base, it takes again as it is; its
// parts make up the whole; the canonical form is one that canonicalisation leaves as it is.
//
// An input is a reference, and behind its first newline a base.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: size))
    let parts = input.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
    let reference = Array(parts.first ?? [])
    let base = parts.count > 1 ? try? WebURL(utf8: Array(parts[1]).span) : nil
    if let base { check(base) }
    if let url = try? WebURL(utf8: reference.span, base: base) { check(url) }
    return 0
}

private func check(_ url: WebURL) {
    precondition(url.href.utf8.count <= WebURL.lengthBytesMax)
    precondition(url.href.utf8.allSatisfy { (0x21...0x7e).contains($0) })
    precondition((try! WebURL(url.href)) == url)
    // A page is at its own address, whatever it is relative to.
    precondition((try! WebURL(url.href, base: try! WebURL("http://other.test/x"))) == url)
    precondition(url.requestTarget.hasPrefix(url.path))
    precondition(url.path.first == "/" && !url.host.isEmpty)
    if !url.hasCredentials {
        precondition(url.origin + url.requestTarget + (url.fragment.map { "#" + $0 } ?? "") == url.href)
    }
    precondition(!url.withoutCredentials.hasCredentials && url.withoutCredentials.host == url.host)
    let canonical = url.canonicalized()
    precondition(canonical.canonicalized() == canonical)
    precondition((try! WebURL(canonical.href)) == canonical)
    precondition(canonical.host == url.host && canonical.effectivePort == url.effectivePort)
    precondition(canonical.fingerprint == canonical.canonicalized().fingerprint)
}
