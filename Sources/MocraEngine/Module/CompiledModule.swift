// A module as the engine runs it: checked, with everything looked up that can be.
// Must not know of lanes or sinks.

import MocraFastPath

/// Why a module was not registered.
public enum ModuleError: Error, Sendable, Equatable, CustomStringConvertible {
    case name(found: String)
    case duplicateName(String)
    case version(module: String, found: Int)
    case noNodes(module: String)
    case nodeKey(module: String, found: String)
    case duplicateNodeKey(module: String, key: String)
    case entryInput(module: String, node: String, found: String)
    case timeout(module: String)

    public var description: String {
        switch self {
        case .name(let found):
            "the module name \"\(found)\" is not valid: use 1 to 63 of a-z, 0-9, _ and -"
        case .duplicateName(let name):
            "a module named \"\(name)\" is registered already: give each module its own name"
        case .version(let module, let found):
            "module \"\(module)\": the version \(found) is not valid: use 1 or more"
        case .noNodes(let module):
            "module \"\(module)\": the workflow has no node: name at least one in Workflow { … }"
        case .nodeKey(let module, let found):
            "module \"\(module)\": the node key \"\(found)\" is not valid: use 1 to 63 of a-z, 0-9, _ and -"
        case .duplicateNodeKey(let module, let key):
            "module \"\(module)\": two nodes have the key \"\(key)\": give each node its own key"
        case .entryInput(let module, let node, let found):
            "module \"\(module)\": the first node \"\(node)\" takes an input of type \(found), but a run"
                + " starts without one: let its Input be NoInput"
        case .timeout(let module):
            "module \"\(module)\": the timeout must be more than nought"
        }
    }
}

/// A registered module.
struct CompiledModule: Sendable {
    let name: String
    let version: Int
    let scope: CrawlScope
    let timeoutMs: Int?
    let priority: Int
    let headers: [HTTPField]
    let nodes: [ErasedNode]
    private let nodeIndices: [NodeKey: Int]

    /// Checks the module.
    ///
    /// Errors: `ModuleError`, the first that is found.
    init<M: Module>(_ module: M) throws(ModuleError) {
        guard Self.isName(M.name) else { throw .name(found: M.name) }
        guard M.version >= 1 else { throw .version(module: M.name, found: M.version) }
        let nodes = module.workflow.nodes
        guard let first = nodes.first else { throw .noNodes(module: M.name) }
        var indices: [NodeKey: Int] = [:]
        for (index, node) in nodes.enumerated() {
            guard Self.isName(node.key.name) else { throw .nodeKey(module: M.name, found: node.key.name) }
            guard indices.updateValue(index, forKey: node.key) == nil else {
                throw .duplicateNodeKey(module: M.name, key: node.key.name)
            }
        }
        guard first.takesNoInput else {
            throw .entryInput(module: M.name, node: first.key.name, found: first.inputType)
        }
        let options = module.options
        name = M.name
        version = M.version
        scope = options.scope ?? .any
        if let timeout = options.timeout {
            guard timeout > .zero else { throw .timeout(module: M.name) }
            timeoutMs = timeout.millisecondsRoundedUp
        } else {
            timeoutMs = nil
        }
        priority = options.priority
        headers = module.headers
        self.nodes = nodes
        nodeIndices = indices
    }

    /// The position of a node; nil when the module has none of that key.
    func nodeIndex(_ key: NodeKey) -> Int? { nodeIndices[key] }

    /// 1 to 63 of `a-z`, `0-9`, `_` and `-`.
    private static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
            }
    }
}
