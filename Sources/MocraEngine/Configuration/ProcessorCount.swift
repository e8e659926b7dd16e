// How many cores this process may use.

import Glibc

enum ProcessorCount {
    /// The cores that the system has online; the process may be confined to fewer.
    static var available: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
}
