// Lets tests that measure time have the machine to themselves, as far as this process is concerned.
// It must not know what is measured.
import Testing

/// Many tests that share the machine, or one that has it alone; who waits alone goes before who comes later.
actor MachineGate {
    static let shared = MachineGate()

    private var sharing = 0
    private var isTaken = false
    private var waiting: [(alone: Bool, continuation: CheckedContinuation<Void, Never>)] = []

    func enter(alone: Bool) async {
        if waiting.isEmpty, canEnter(alone) {
            take(alone)
            return
        }
        await withCheckedContinuation { waiting.append((alone, $0)) }
    }

    func leave(alone: Bool) {
        if alone { isTaken = false } else { sharing -= 1 }
        while let next = waiting.first, canEnter(next.alone) {
            waiting.removeFirst()
            take(next.alone)
            next.continuation.resume()
        }
    }

    private func canEnter(_ alone: Bool) -> Bool {
        !isTaken && (!alone || sharing == 0)
    }

    private func take(_ alone: Bool) {
        if alone { isTaken = true } else { sharing += 1 }
    }
}

/// Takes the machine for each test of a suite.
struct MachineUse: SuiteTrait, TestTrait, TestScoping {
    var alone: Bool
    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        await MachineGate.shared.enter(alone: alone)
        do {
            try await function()
        } catch {
            await MachineGate.shared.leave(alone: alone)
            throw error
        }
        await MachineGate.shared.leave(alone: alone)
    }
}

extension Trait where Self == MachineUse {
    /// Beside other tests.
    static var sharesMachine: Self { MachineUse(alone: false) }
    /// While no other test of this target runs.
    static var needsMachineAlone: Self { MachineUse(alone: true) }
}
