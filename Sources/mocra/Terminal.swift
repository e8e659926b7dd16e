// Standard error as a person sees it: lines, and one live line that overwrites itself on a terminal.
internal import Glibc

enum Terminal {
    static let isInteractive = isatty(STDERR_FILENO) == 1

    /// The width of the terminal, 80 when it is not known.
    static var columns: Int {
        var size = winsize()
        let known = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return known ? Int(size.ws_col) : 80
    }

    /// One line to standard error. What cannot be written there cannot be reported anywhere.
    static func printError(_ line: String) {
        write(line + "\n")
    }

    /// Replaces the live line.
    static func showLive(_ line: String) {
        write("\r\u{1b}[K" + line)
    }

    static func clearLive() {
        write("\r\u{1b}[K")
    }

    private static func write(_ text: String) {
        var bytes = text
        bytes.withUTF8 { memory in
            // What cannot be written here has no other place to go.
            _ = unsafe Glibc.write(STDERR_FILENO, memory.baseAddress, memory.count)
        }
    }
}
