// What is refused when a module is registered, and how the refusal reads.

import MocraFastPath
import Synchronization
import Testing

@testable import MocraEngine

private struct Step<Marker: Codable & Sendable>: Node {
    static var key: NodeKey { keys.withLock { $0[String(describing: Marker.self)] ?? "step" } }
    func generate(_ input: Marker, _ context: GenerateContext) async throws -> [Request] { [] }
    func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        NodeOutput()
    }
}

/// Keys of the steps, by the name of their input.
private let keys = Mutex<[String: NodeKey]>(["Int": "second", "String": "Bad Key", "Double": "step"])

private struct Named<Steps: StepList>: Module {
    static var name: String { Steps.name }
    static var version: Int { Steps.version }
    var options: ModuleOptions { ModuleOptions(timeout: Steps.timeout) }
    var workflow: Workflow { Workflow(nodes: Steps.nodes()) }
}

private protocol StepList: Sendable {
    static var name: String { get }
    static var version: Int { get }
    static var timeout: Duration? { get }
    static func nodes() -> [ErasedNode]
}

extension StepList {
    static var name: String { "good" }
    static var version: Int { 1 }
    static var timeout: Duration? { nil }
    static func nodes() -> [ErasedNode] { [ErasedNode(Step<NoInput>())] }
}

private enum Good: StepList {}
private enum BadName: StepList { static var name: String { "Bad Name" } }
private enum LongName: StepList { static var name: String { String(repeating: "a", count: 64) } }
private enum BadVersion: StepList { static var version: Int { 0 } }
private enum BadTimeout: StepList { static var timeout: Duration? { .zero } }
private enum Empty: StepList { static func nodes() -> [ErasedNode] { [] } }
private enum BadKey: StepList {
    static func nodes() -> [ErasedNode] { [ErasedNode(Step<NoInput>()), ErasedNode(Step<String>())] }
}
private enum SameKey: StepList {
    static func nodes() -> [ErasedNode] { [ErasedNode(Step<NoInput>()), ErasedNode(Step<Double>())] }
}
private enum EntryInput: StepList {
    static func nodes() -> [ErasedNode] { [ErasedNode(Step<Int>()), ErasedNode(Step<NoInput>())] }
}

@Suite("Workflow validation")
struct WorkflowValidationTests {
    private func error(_ module: some Module) -> ModuleError? {
        do throws(ModuleError) {
            _ = try CompiledModule(module)
            return nil
        } catch {
            return error
        }
    }

    @Test func `what is wrong is refused by name`() {
        #expect(error(Named<Good>()) == nil)
        #expect(error(Named<BadName>()) == .name(found: "Bad Name"))
        #expect(error(Named<LongName>()) == .name(found: String(repeating: "a", count: 64)))
        #expect(error(Named<BadVersion>()) == .version(module: "good", found: 0))
        #expect(error(Named<BadTimeout>()) == .timeout(module: "good"))
        #expect(error(Named<Empty>()) == .noNodes(module: "good"))
        #expect(error(Named<BadKey>()) == .nodeKey(module: "good", found: "Bad Key"))
        #expect(error(Named<SameKey>()) == .duplicateNodeKey(module: "good", key: "step"))
        #expect(error(Named<EntryInput>()) == .entryInput(module: "good", node: "second", found: "Int"))
    }

    @Test func `every refusal says what to do`() {
        let errors: [ModuleError] = [
            .name(found: "x"), .duplicateName("x"), .version(module: "x", found: 0), .noNodes(module: "x"),
            .nodeKey(module: "x", found: "y"), .duplicateNodeKey(module: "x", key: "y"),
            .entryInput(module: "x", node: "y", found: "z"), .timeout(module: "x"),
        ]
        for error in errors {
            let text = error.description
            #expect(text.contains("x") && text.contains(":") && !text.contains("\n") && text.count < 200)
        }
    }

    @Test func `two modules of one name are refused`() throws {
        let engine = try Engine()
        try engine.register(Named<Good>())
        #expect(throws: EngineError.module(.duplicateName("good"))) { try engine.register(Named<Good>()) }
        #expect(throws: EngineError.module(.noNodes(module: "good"))) { try engine.register(Named<Empty>()) }
    }

    @Test func `nodes are found by their key`() throws {
        enum Two: StepList {
            static func nodes() -> [ErasedNode] { [ErasedNode(Step<NoInput>()), ErasedNode(Step<Int>())] }
        }
        let module = try CompiledModule(Named<Two>())
        #expect(
            module.nodeIndex("step") == 0 && module.nodeIndex("second") == 1 && module.nodeIndex("x") == nil)
    }
}
