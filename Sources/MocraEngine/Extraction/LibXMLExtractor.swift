// Links and title by libxml2's HTML parser, as events, without a tree. The only file that calls libxml2.
// Must not know HTML's rules for links (PageFactsBuilder has them) nor how encodings are decoded.
import CLibXML2
import Glibc
package import MocraFastPath

/// An extractor on libxml2's SAX interface.
///
/// Ownership: keeps one parser context and uses it again for every page.
/// Isolation: not Sendable; one thread at a time, and never from inside its own callbacks.
package struct LibXMLExtractor: HTMLExtractor {
    private let parser = SAXParser()

    package init() {}

    package func extract(
        _ bytes: RawSpan, documentURL: WebURL, charset: String?, limits: ExtractionLimits
    ) -> PageFacts {
        let builder = unsafe bytes.withUnsafeBytes { buffer in
            unsafe parser.parse(buffer, charset: charset, limits: limits)
        }
        return builder.finish(documentURL: documentURL)
    }
}

/// The context, what its callbacks write to, and the input that they read.
///
/// libxml2 pulls its input in blocks of some 4,000 bytes. That call is the one place that is reached whatever
/// the parser is busy with: some of its work is quadratic in the page (attributes of one tag, end tags under
/// many open elements), so the processor time is checked there, and a page past its limit ends early.
@safe private final class SAXParser {
    private var context: htmlParserCtxtPtr?
    private var builder = PageFactsBuilder(limits: ExtractionLimits())
    private var input = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    private var position = 0
    private var depth = 0
    private var depthMax = 0
    private var svgDepth = 0
    /// Open elements whose content HTML takes as text, where libxml2 sees elements.
    private var rawTextDepth = 0
    private var cpuLimitNs: UInt64 = 0
    /// After a limit: input ends, and the events of what is still buffered are ignored.
    private var isStopped = false

    /// Names in a context's dictionary at which it is replaced. Hostile pages would fill it without end; the
    /// web's real names are a few hundred.
    private static let dictionaryNamesMax: Int32 = 10_000

    /// libxml2 must be initialised before the first use from several threads.
    private static let initialised: Void = xmlInitParser()

    init() { _ = Self.initialised }

    deinit { unsafe htmlFreeParserCtxt(context) }

    /// Parses one page; the buffer is only read during the call.
    func parse(
        _ buffer: UnsafeRawBufferPointer, charset: String?, limits: ExtractionLimits
    ) -> PageFactsBuilder {
        let bytes = unsafe Span<UInt8>(_unsafeBytes: buffer)
        let mark = CharacterEncoding.byteOrderMark(of: bytes)
        let body = bytes.extracting(droppingFirst: mark?.length ?? 0)
        let declared = mark?.encoding ?? charset.flatMap(CharacterEncoding.init(label:))
        let encoding = declared ?? EncodingPrescan.encoding(of: body) ?? .utf8
        builder = PageFactsBuilder(limits: limits)
        depth = 0
        depthMax = limits.depthMax
        svgDepth = 0
        rawTextDepth = 0
        isStopped = false
        cpuLimitNs = Self.cpuTimeNs() + UInt64(limits.cpuTimeMs) * 1_000_000
        if encoding == .utf8, TextDecoder.isCleanUTF8(body) {
            unsafe body.withUnsafeBytes { unsafe run(over: $0) }
        } else {
            unsafe TextDecoder.decode(body, from: encoding).withUnsafeBytes { unsafe run(over: $0) }
        }
        defer { builder = PageFactsBuilder(limits: limits) }
        return builder
    }

    private func run(over text: UnsafeRawBufferPointer) {
        guard let context = unsafe preparedContext() else {
            builder.markTruncated()
            return
        }
        unsafe input = text
        position = 0
        // Naming the encoding keeps the parser from looking for one in the page. The document is always nil:
        // our handler builds none.
        let options =
            HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue
            | HTML_PARSE_NOWARNING.rawValue | HTML_PARSE_NONET.rawValue
        let document = unsafe htmlCtxtReadIO(
            context, Self.read, nil, Unmanaged.passUnretained(self).toOpaque(), nil, "UTF-8", Int32(options))
        unsafe xmlFreeDoc(document)
        unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
        if unsafe isStopped || xmlDictSize(context.pointee.dict) > Self.dictionaryNamesMax {
            unsafe htmlFreeParserCtxt(context)
            unsafe self.context = nil
        }
    }

    /// The context, made at first use with a handler that has our events and no others.
    private func preparedContext() -> htmlParserCtxtPtr? {
        if let context = unsafe context { return unsafe context }
        guard let made = unsafe htmlNewParserCtxt(), let handler = unsafe made.pointee.sax else { return nil }
        var events = unsafe xmlSAXHandler()
        unsafe events.initialized = 1
        unsafe events.startElement = Self.startElement
        unsafe events.endElement = Self.endElement
        unsafe events.characters = Self.characters
        unsafe events.ignorableWhitespace = Self.characters
        unsafe handler.pointee = events
        unsafe made.pointee.userData = Unmanaged.passUnretained(self).toOpaque()
        unsafe context = made
        return unsafe made
    }

    // MARK: Callbacks

    private static let read: xmlInputReadCallback = { state, block, length in
        guard let state = unsafe state, let block = unsafe block, length > 0 else { return 0 }
        return unsafe Unmanaged<SAXParser>.fromOpaque(state)._withUnsafeGuaranteedRef {
            unsafe $0.read(into: block, lengthMax: Int(length))
        }
    }

    private static let startElement: startElementSAXFunc = { state, name, attributes in
        guard let state = unsafe state, let name = unsafe name else { return }
        unsafe Unmanaged<SAXParser>.fromOpaque(state)._withUnsafeGuaranteedRef {
            unsafe $0.started(ElementName(name), attributes)
        }
    }

    private static let endElement: endElementSAXFunc = { state, name in
        guard let state = unsafe state, let name = unsafe name else { return }
        unsafe Unmanaged<SAXParser>.fromOpaque(state)._withUnsafeGuaranteedRef {
            $0.ended(unsafe ElementName(name))
        }
    }

    private static let characters: charactersSAXFunc = { state, text, length in
        guard let state = unsafe state, let text = unsafe text, length > 0 else { return }
        unsafe Unmanaged<SAXParser>.fromOpaque(state)._withUnsafeGuaranteedRef { parser in
            guard parser.builder.isTitleOpen, !parser.isStopped else { return }
            unsafe parser.builder.text(Span(_unsafeStart: text, count: Int(length)))
        }
    }

    /// The next block; 0 at the end. It may end inside a character, the parser looks ahead far enough.
    private func read(into block: UnsafeMutablePointer<CChar>, lengthMax: Int) -> Int32 {
        if !isStopped, Self.cpuTimeNs() > cpuLimitNs { stop() }
        let length = unsafe min(lengthMax, input.count - position)
        guard !isStopped, length > 0, let source = unsafe input.baseAddress else { return 0 }
        unsafe memcpy(block, source + position, length)
        position += length
        return Int32(length)
    }

    private func started(
        _ name: ElementName, _ attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
    ) {
        depth += 1
        if depth > depthMax, !isStopped { stop() }
        guard !isStopped else { return }
        switch name {
        case .svg: svgDepth += 1
        case .title where svgDepth == 0: builder.titleOpened()
        case .textarea, .xmp: rawTextDepth += 1
        default: break
        }
        guard rawTextDepth == 0, let attributes = unsafe attributes else { return }
        let list = unsafe AttributeList(first: attributes)
        switch name {
        case .a: unsafe report(.a, list, url: "href")
        case .area: unsafe report(.area, list, url: "href")
        case .iframe: unsafe report(.iframe, list, url: "src")
        case .frame: unsafe report(.frame, list, url: "src")
        case .link:
            if let rel = unsafe list.value(of: "rel"), let href = unsafe list.value(of: "href") {
                unsafe builder.link(rel: rel.span, href: href.span)
            }
        case .meta:
            if let kind = unsafe list.value(of: "http-equiv"), let content = unsafe list.value(of: "content")
            {
                unsafe builder.meta(httpEquiv: kind.span, content: content.span)
            }
        case .base where svgDepth == 0:
            if let href = unsafe list.value(of: "href") { unsafe builder.base(href: href.span) }
        default: break
        }
    }

    private func ended(_ name: ElementName) {
        depth -= 1
        switch name {
        case .svg: svgDepth -= 1
        case .title where svgDepth == 0: builder.titleClosed()
        case .textarea, .xmp: rawTextDepth -= 1
        default: break
        }
    }

    private func report(_ kind: PageLink.Kind, _ list: AttributeList, url name: StaticString) {
        guard let url = unsafe list.value(of: name) else { return }
        if let rel = unsafe list.value(of: "rel") {
            unsafe builder.reference(kind, to: url.span, rel: rel.span)
        } else {
            unsafe builder.reference(kind, to: url.span, rel: nil)
        }
    }

    private func stop() {
        isStopped = true
        builder.markTruncated()
    }

    /// Processor time of this thread: other threads' load must not cut a page short.
    private static func cpuTimeNs() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// The first eight bytes of a lower-case element name as one integer; longer names are nobody's.
private struct ElementName: Equatable {
    private let packed: UInt64

    @inline(__always)
    init(_ name: UnsafePointer<xmlChar>) {
        var packed: UInt64 = 0
        var index = 0
        while unsafe name[index] != 0 {
            guard index < 8 else {
                self.packed = 0
                return
            }
            unsafe packed = packed << 8 | UInt64(name[index])
            index += 1
        }
        self.packed = packed
    }

    static let a = ElementName(of: "a"), area = ElementName(of: "area")
    static let base = ElementName(of: "base"), frame = ElementName(of: "frame")
    static let iframe = ElementName(of: "iframe"), link = ElementName(of: "link")
    static let meta = ElementName(of: "meta"), svg = ElementName(of: "svg")
    static let textarea = ElementName(of: "textarea"), title = ElementName(of: "title")
    static let xmp = ElementName(of: "xmp")

    private init(of name: StaticString) {
        unsafe self.init(name.utf8Start)
    }

    @inline(__always)
    static func ~= (pattern: ElementName, value: ElementName) -> Bool { pattern.packed == value.packed }
}

/// The attributes of a start tag: pairs of C strings, ended by a null name; a value may be null.
@unsafe private struct AttributeList {
    let first: UnsafeMutablePointer<UnsafePointer<xmlChar>?>

    /// The value of the attribute, empty for one without a value; nil when it is not there.
    func value(of name: StaticString) -> UnsafeBufferPointer<UInt8>? {
        var index = 0
        while let candidate = unsafe first[index] {
            if unsafe xmlStrEqual(candidate, name.utf8Start) == 1 {
                guard let value = unsafe first[index + 1] else {
                    return unsafe UnsafeBufferPointer(start: nil, count: 0)
                }
                return unsafe UnsafeBufferPointer(start: value, count: strlen(value))
            }
            index += 2
        }
        return nil
    }
}
