// The URL Standard's own test data against WebURL: what parses, what fails, and every part of the result.
// Cases outside this library's reach are counted by reason, and the counts are pinned.

import Foundation
import MocraFastPath
import TestSupport
import Testing

struct URLTestCase: Decodable, Sendable {
    var input: String
    var base: String?
    var failure: Bool?
    var href: String?
    var origin: String?
    var `protocol`: String?
    var username: String?
    var password: String?
    var host: String?
    var hostname: String?
    var port: String?
    var pathname: String?
    var search: String?
    var hash: String?
}

/// A list that mixes cases with comments: what does not decode as a case is left out.
private struct Lenient<Element: Decodable>: Decodable {
    var element: Element?

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // A comment is a bare string; anything else must be a case.
        if (try? container.decode(String.self)) == nil { element = try container.decode(Element.self) }
    }
}

/// Reads a list of cases; lone surrogates, which no UTF-8 text can hold, become U+FFFD as in a USVString.
func urlTestCases<Case: Decodable>(_ name: String, as type: Case.Type) throws -> [Case] {
    let directory = try #require(TestData.directory("url"))
    let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + name))
    let repaired = Data(withoutLoneSurrogates([UInt8](data)))
    return try JSONDecoder().decode([Lenient<Case>].self, from: repaired).compactMap(\.element)
}

private func withoutLoneSurrogates(_ json: [UInt8]) -> [UInt8] {
    func escape(_ at: Int) -> UInt32? {
        guard at + 6 <= json.count, json[at] == UInt8(ascii: "\\"), json[at + 1] == UInt8(ascii: "u") else {
            return nil
        }
        return UInt32(String(decoding: json[(at + 2)..<(at + 6)], as: UTF8.self), radix: 16)
    }
    var result: [UInt8] = []
    var index = 0
    while index < json.count {
        guard json[index] == UInt8(ascii: "\\") else {
            result.append(json[index])
            index += 1
            continue
        }
        guard let unit = escape(index), (0xD800..<0xE000).contains(unit) else {
            // Two bytes at once, so that an escaped reverse solidus does not start another escape.
            result += json[index..<min(index + 2, json.count)]
            index += 2
            continue
        }
        if unit < 0xDC00, let next = escape(index + 6), (0xDC00..<0xE000).contains(next) {
            result += json[index..<(index + 12)]
            index += 12
        } else {
            result += Array("\\uFFFD".utf8)
            index += 6
        }
    }
    return result
}

@Suite(
    "URL Standard test data", .enabled(if: TestData.directory("url") != nil, "the url test data is absent"))
struct URLDataTests {
    /// The scheme that the text states, else that of its base; in lower case.
    private func scheme(of text: String, base: String?) -> String? {
        let cleaned = text.unicodeScalars.drop { $0.value <= 0x20 }.filter {
            ![9, 10, 13].contains($0.value)
        }
        guard let colon = cleaned.firstIndex(of: ":") else {
            return base.flatMap { scheme(of: $0, base: nil) }
        }
        let name = cleaned[..<colon]
        let isName =
            name.first.map { $0.isASCII && $0.properties.isAlphabetic } == true
            && name.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789+-.".unicodeScalars.contains($0))
            }
        guard isName else { return base.flatMap { scheme(of: $0, base: nil) } }
        return String(String.UnicodeScalarView(name)).lowercased()
    }

    @Test func everyHTTPCaseParsesAsTheStandardSays() throws {
        var ran = 0, failures = 0, otherScheme = 0, idna = 0
        for test in try urlTestCases("urltestdata.json", as: URLTestCase.self) {
            let expected = test.href ?? ""
            let wanted =
                test.failure == true
                ? ["http", "https"].contains(scheme(of: test.input, base: test.base) ?? "http")
                : expected.hasPrefix("http:") || expected.hasPrefix("https:")
            guard wanted else {
                otherScheme += 1
                continue
            }
            do {
                // A base of another scheme matters to relative references only, and those end in that scheme.
                let base = try test.base.flatMap { text -> WebURL? in
                    ["http", "https"].contains(scheme(of: text, base: nil)) ? try WebURL(text) : nil
                }
                let url = try WebURL(test.input, base: base)
                ran += 1
                if test.failure == true {
                    Issue.record("\(test.input.debugDescription) parsed as \(url), expected a failure")
                } else {
                    compare(url, with: test)
                }
            } catch MocraFastPath.URLError.internationalHost {
                idna += 1
            } catch {
                ran += 1
                failures += 1
                if test.failure != true {
                    Issue.record("\(test.input.debugDescription): \(error), expected \(expected)")
                }
            }
        }
        print(
            "urltestdata: \(ran) ran (\(failures) failures), left out: \(otherScheme) not http, \(idna) IDNA")
        #expect(ran >= 431, "fewer cases than the data holds were run")
        #expect(idna <= 22, "more hosts than the data's international ones were left out")
    }

    private func compare(_ url: WebURL, with test: URLTestCase) {
        let input = test.input.debugDescription
        let port = url.port.map { String($0) } ?? ""
        let search = url.query.map { $0.isEmpty ? "" : "?" + $0 } ?? ""
        let hash = url.fragment.map { $0.isEmpty ? "" : "#" + $0 } ?? ""
        #expect(url.href == test.href, "\(input)")
        #expect(url.scheme + ":" == test.protocol, "\(input)")
        #expect(String(url.username) == test.username, "\(input)")
        #expect(String(url.password) == test.password, "\(input)")
        #expect(url.authority == test.host, "\(input)")
        #expect(String(url.host) == test.hostname, "\(input)")
        #expect(port == test.port, "\(input)")
        #expect(String(url.path) == test.pathname, "\(input)")
        #expect(search == test.search, "\(input)")
        #expect(hash == test.hash, "\(input)")
        if let origin = test.origin { #expect(url.origin == origin, "\(input)") }
        #expect(url.requestTarget == url.path + (url.query.map { "?" + $0 } ?? ""), "\(input)")
    }

    @Test func parsingTheSerialisationGivesItBack() throws {
        var parsed = 0
        for test in try urlTestCases("urltestdata.json", as: URLTestCase.self) {
            for text in [test.input, test.href, test.base].compactMap({ $0 }) {
                guard let url = try? WebURL(text) else { continue }  // Failures are the other test's matter.
                let again = try WebURL(url.href)
                #expect(again.href == url.href)
                #expect(again.host == url.host && again.path == url.path && again.query == url.query)
                #expect(again.username == url.username && again.password == url.password)
                let canonical = url.canonicalized()
                let reparsed = try WebURL(canonical.href)
                #expect(reparsed.href == canonical.href)
                #expect(reparsed.query == canonical.query && reparsed.fragment == canonical.fragment)
                #expect(canonical.canonicalized().href == canonical.href)
                parsed += 1
            }
        }
        #expect(parsed >= 629, "\(parsed) URLs parsed")
    }

    private struct ToASCIICase: Decodable, Sendable {
        var input: String
        var output: String?
    }

    @Test(arguments: ["toascii.json", "IdnaTestV2.json"])
    func everyASCIIHostMapsAsTheStandardSays(_ file: String) throws {
        var ran = 0
        for test in try urlTestCases(file, as: ToASCIICase.self) where test.input.allSatisfy(\.isASCII) {
            // Delimiters of the URL itself would end the host early.
            guard !test.input.isEmpty, !test.input.contains(where: { "/\\?#@:".contains($0) }) else {
                continue
            }
            ran += 1
            let host = try? String(WebURL("https://\(test.input)/x").host)  // A failure is an outcome here.
            #expect(host == test.output, "\(test.input)")
        }
        #expect(ran > 10, "\(ran) hosts")
    }

    private struct PercentCase: Decodable, Sendable {
        var input: String
        var output: [String: String]
    }

    @Test func queriesAreEncodedAsUTF8() throws {
        let tests = try urlTestCases("percent-encoding.json", as: PercentCase.self)
        for test in tests {
            let url = try WebURL("https://h/?" + test.input)
            // Tabs and line breaks are taken out of a URL, and these cases are about the encoder alone.
            guard !test.input.unicodeScalars.contains(where: { [9, 10, 13].contains($0.value) }) else {
                continue
            }
            let expected = try #require(test.output["utf-8"] ?? nil)
            #expect(url.query.map { String($0) } == expected, "\(test.input.debugDescription)")
        }
        #expect(tests.count >= 5)
    }
}
