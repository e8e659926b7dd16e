// The queued and leased requests of a frontier, by slot and generation.
// Must not know in which order they go.

import MocraFastPath

/// Names a request that the frontier holds. Stale once the request is settled.
struct RequestID: Sendable, Hashable {
    var slot: UInt32
    var generation: UInt32
}

/// A request that is queued or leased.
struct RequestEntry<Payload: Sendable>: Sendable {
    var url: WebURL
    /// What it is known by in the seen-set; nil when it is fetched even if seen.
    var identity: URLFingerprint?
    var depth: Int
    var priority: Int
    /// Indices of its host, and of its origin within the host.
    var host: Int
    var origin: Int
    var payload: Payload
    /// Fetches begun so far.
    var starts = 0
    /// Retries that count against the limit.
    var retries = 0
    /// Retries after a fault of this machine, which cost none of the others.
    var localRetries = 0
    /// Retries after a fault of the module.
    var moduleRetries = 0
    var isLeased = false
    /// The start of the running fetch, which takes one of the host's places; nil when none runs.
    var startedAt: LoopInstant?
    /// Whether the running fetch's request has left.
    var hasLeft = false
}

/// Slots with generations, so that an outdated identifier is noticed.
struct RequestTable<Payload: Sendable>: Sendable {
    private struct Slot: Sendable {
        var generation: UInt32 = 0
        var entry: RequestEntry<Payload>?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    var count: Int { slots.count - free.count }

    mutating func insert(_ entry: RequestEntry<Payload>) -> RequestID {
        if let slot = free.popLast() {
            slots[Int(slot)].entry = entry
            return RequestID(slot: slot, generation: slots[Int(slot)].generation)
        }
        // The two highest numbers mean something else in the seen-set.
        precondition(slots.count < Int(UInt32.max) - 2, "the frontier is full")
        slots.append(Slot(entry: entry))
        return RequestID(slot: UInt32(slots.count - 1), generation: 0)
    }

    mutating func remove(_ id: RequestID) -> RequestEntry<Payload> {
        let index = Int(id.slot)
        guard contains(id), let entry = slots[index].entry else {
            preconditionFailure("a request was settled twice")
        }
        slots[index].entry = nil
        slots[index].generation &+= 1
        free.append(id.slot)
        return entry
    }

    func contains(_ id: RequestID) -> Bool {
        let slot = slots[Int(id.slot)]
        return slot.generation == id.generation && slot.entry != nil
    }

    /// The identifier of whatever is in a slot now.
    func id(at slot: UInt32) -> RequestID {
        RequestID(slot: slot, generation: slots[Int(slot)].generation)
    }

    /// Every identifier in use. Complexity: O(n).
    var ids: [RequestID] {
        slots.indices.lazy.filter { slots[$0].entry != nil }.map { id(at: UInt32($0)) }
    }

    subscript(id: RequestID) -> RequestEntry<Payload> {
        get {
            guard contains(id), let entry = slots[Int(id.slot)].entry else {
                preconditionFailure("a request was used after it was settled")
            }
            return entry
        }
        set {
            precondition(contains(id), "a request was changed after it was settled")
            slots[Int(id.slot)].entry = newValue
        }
    }
}
