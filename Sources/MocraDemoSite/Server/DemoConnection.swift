// One connection of the demo site: reads requests, answers them one after the other in their order, with the
// pauses and endings that an answer asks for. What to answer is SiteState's matter.
import NIOCore
import NIOHTTP1
import NIOPosix

/// Isolation: confined to its channel's event loop.
final class DemoConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Pipelined requests beyond this stop the reading, so that a client cannot fill the memory.
    private static let waitingMax = 64

    private let site: Int
    private let state: SiteState
    private let arrivals: ArrivalClock
    private var head: HTTPRequestHead?
    private var waiting: [SiteRequest] = []
    private var isAnswering = false
    private var isOver = false
    private var isInputClosed = false
    private var heldRead = false

    init(site: Int, state: SiteState, arrivals: ArrivalClock) {
        self.site = site
        self.state = state
        self.arrivals = arrivals
    }

    // MARK: - Events

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
        case .body:
            // No answer depends on a request's body.
            break
        case .end:
            guard let head, !isOver else { return }
            self.head = nil
            waiting.append(Self.request(head, arrivedAt: arrivals.arrivedAt))
            answerNext(context)
        }
    }

    func read(context: ChannelHandlerContext) {
        if waiting.count >= Self.waitingMax {
            heldRead = true
        } else {
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        waiting = []
        context.fireChannelInactive()
    }

    /// A client that closes its sending side has said all it wanted; what is asked is still answered.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            if !isAnswering, waiting.isEmpty { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isAnswering, !isOver else {
            context.close(promise: nil)
            return
        }
        let client = ClientTraits(keepsAlive: false)
        run(PlannedResponse.text(400, "this is not HTTP").wireSteps(client)[...], context)
    }

    // MARK: - Answers

    private func answerNext(_ context: ChannelHandlerContext) {
        guard !isAnswering, !isOver, !waiting.isEmpty else { return }
        isAnswering = true
        switch state.answer(waiting.removeFirst(), site: site) {
        case .ready(let bytes): send(bytes, then: [], context)
        case .steps(let steps): run(steps[...], context)
        }
    }

    private func run(_ steps: ArraySlice<WireStep>, _ context: ChannelHandlerContext) {
        guard !isOver else { return }
        isAnswering = true
        let rest = steps.dropFirst()
        switch steps.first {
        case nil:
            isAnswering = false
            answered(context)
        case .bytes(let bytes)?:
            send(ByteBuffer(bytes: bytes), then: rest, context)
        case .pause(let ms)?:
            context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(ms))) {
                self.run(rest, context)
            }
        case .close?:
            isOver = true
            context.close(promise: nil)
        case .reset?:
            isOver = true
            reset(context)
        }
    }

    private func answered(_ context: ChannelHandlerContext) {
        if !waiting.isEmpty {
            // Through the loop, since a long row of waiting requests would otherwise deepen the stack one by
            // one.
            context.eventLoop.assumeIsolated().execute { self.answerNext(context) }
        } else if isInputClosed {
            context.close(promise: nil)
        }
        if heldRead, waiting.count < Self.waitingMax {
            heldRead = false
            context.read()
        }
    }

    /// The next step waits until these bytes are with the kernel: a slow reader holds one answer, not many.
    private func send(_ bytes: ByteBuffer, then rest: ArraySlice<WireStep>, _ context: ChannelHandlerContext)
    {
        context.writeAndFlush(wrapOutboundOut(bytes)).assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.run(rest, context)
            case .failure: context.close(promise: nil)
            }
        }
    }

    /// Lingering for no time turns the close into a reset (socket(7), SO_LINGER).
    private func reset(_ context: ChannelHandlerContext) {
        guard let socket = context.channel as? any SocketOptionProvider else {
            preconditionFailure("connections of the demo site are sockets")
        }
        // If the option fails, the client sees an early end instead of a reset: broken all the same.
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    private static func request(_ head: HTTPRequestHead, arrivedAt: NIODeadline) -> SiteRequest {
        let codings = head.headers[canonicalForm: "accept-encoding"].map { $0.lowercased() }
        return SiteRequest(
            method: head.method.rawValue, target: head.uri, hostField: head.headers.first(name: "host"),
            userAgent: head.headers.first(name: "user-agent") ?? "",
            client: ClientTraits(
                acceptsGzip: codings.contains { accepts("gzip", $0) },
                acceptsDeflate: codings.contains { accepts("deflate", $0) },
                isHead: head.method == .HEAD, keepsAlive: head.isKeepAlive),
            arrivedAt: arrivedAt)
    }

    /// Named, and not with weight zero (RFC 9110 section 12.5.3).
    private static func accepts(_ coding: String, _ field: String) -> Bool {
        let parts = field.split(separator: ";").map { $0.filter { $0 != " " } }
        guard parts.first == coding else { return false }
        return !parts.dropFirst().contains {
            $0.hasPrefix("q=0") && !$0.contains { ("1"..."9").contains($0) }
        }
    }
}
