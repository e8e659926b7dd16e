// Everything that keeps an engine from running, or ends a run, as one closed list.

public import MocraFastPath

/// Why an engine could not be made, or a run not be finished.
public enum EngineError: Error, Sendable, Equatable {
    /// Every fault of the configuration.
    case configuration([ConfigurationError])
    /// A module was not registered.
    case module(ModuleError)
    /// No module is registered.
    case noModules
    /// The fetch core did not start: io_uring is off, the CA file cannot be read, …
    case fetcher(FetchError)
    /// Items could not be written.
    case sink(SinkError)
    /// The ledger does not balance: a bug.
    case ledger(LedgerCounts)
    /// The engine was used after its run began.
    case alreadyRun
}

extension EngineError: CustomStringConvertible {
    /// One line a fault.
    public var description: String {
        switch self {
        case .configuration(let errors):
            errors.map(\.description).joined(separator: "\n")
        case .module(let error): error.description
        case .noModules: "no module is registered: register one before the run"
        case .fetcher(let error): error.message
        case .sink(let error): error.description
        case .ledger(let ledger):
            "the ledger does not balance (\(ledger)): this is a bug in mocra, please report it"
        case .alreadyRun: "the engine has run already: make a new one for each run"
        }
    }
}
