// The race over a host's addresses: what is tried when. Time is virtual, in milliseconds.
import CMocraIO
import Testing

@Suite struct RaceMachineTests {
    /// The machine with milliseconds, and its decisions as text.
    struct Race {
        private var race = mocra_race()

        init(_ addresses: UInt32) {
            unsafe mocra_race_begin(&race, addresses)
        }

        /// Everything that is to be done at a time, up to the wait or the end.
        mutating func run(at ms: UInt64) -> [String] {
            var done: [String] = []
            while true {
                let decision = unsafe mocra_race_next(&race, (1_000 + ms) * 1_000_000)
                switch mocra_race_action(rawValue: UInt32(decision.action)) {
                case MOCRA_RACE_ATTEMPT:
                    done.append(
                        "try \(decision.address) in \(decision.place)"
                            + (decision.replaces ? ", replacing" : ""))
                case MOCRA_RACE_WAIT:
                    let isLast = decision.when == UInt64.max
                    done.append(
                        isLast ? "wait" : "wait until \(Int64(decision.when / 1_000_000) - 1_000)")
                    return done
                default:
                    done.append("over")
                    return done
                }
            }
        }

        mutating func fail(_ place: UInt32) { unsafe mocra_race_failed(&race, place) }
        var underWay: UInt32 {
            mutating get { unsafe mocra_race_under_way(&race) }
        }
    }

    @Test func oneAddressIsTriedOnce() {
        var race = Race(1)
        #expect(race.run(at: 0) == ["try 0 in 0", "wait"])
        #expect(race.run(at: 5_000) == ["wait"])
        race.fail(0)
        #expect(race.run(at: 5_000) == ["over"])
    }

    @Test func noAddressIsOverAtOnce() {
        var race = Race(0)
        #expect(race.run(at: 0) == ["over"])
    }

    @Test func theSecondBeginsAfterTheDelay() {
        var race = Race(2)
        #expect(race.run(at: 0) == ["try 0 in 0", "wait until 250"])
        #expect(race.run(at: 249) == ["wait until 250"])
        #expect(race.run(at: 250) == ["try 1 in 1", "wait"])
        #expect(race.underWay == 2)
    }

    @Test func aFailureStartsTheNextAtOnce() {
        var race = Race(3)
        _ = race.run(at: 0)
        race.fail(0)
        #expect(race.run(at: 10) == ["try 1 in 0", "wait until 260"])
        #expect(race.run(at: 260) == ["try 2 in 1", "wait"])
        race.fail(0)
        #expect(race.run(at: 270) == ["wait"])
        race.fail(1)
        #expect(race.run(at: 280) == ["over"])
    }

    @Test func noMoreThanThePlacesRunAndTheOldestGivesWay() {
        var race = Race(8)
        #expect(race.run(at: 0) == ["try 0 in 0", "wait until 250"])
        #expect(race.run(at: 250) == ["try 1 in 1", "wait until 1000"])
        #expect(race.run(at: 999) == ["wait until 1000"])
        #expect(race.run(at: 1_000) == ["try 2 in 0, replacing", "wait until 1250"])
        #expect(race.run(at: 1_250) == ["try 3 in 1, replacing", "wait until 2000"])
        #expect(race.underWay == MOCRA_RACE_PLACES)
        // Every address gets its turn within the usual time-out of 5 s.
        #expect(race.run(at: 2_000).first == "try 4 in 0, replacing")
        #expect(race.run(at: 2_250).first == "try 5 in 1, replacing")
        #expect(race.run(at: 3_000).first == "try 6 in 0, replacing")
        #expect(race.run(at: 3_250) == ["try 7 in 1, replacing", "wait"])
        #expect(race.run(at: 60_000) == ["wait"])
    }

    @Test func anAddressThatIsPassedOverCostsNoTime() {
        var race = Race(3)
        #expect(race.run(at: 0).first == "try 0 in 0")
        race.fail(0)
        #expect(race.run(at: 0).first == "try 1 in 0")
        race.fail(0)
        #expect(race.run(at: 0) == ["try 2 in 0", "wait"])
    }

    @Test func randomHistoriesTryEveryAddressOnceAndEnd() {
        for seed in 0..<500 {
            var random = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
            func next(_ bound: UInt64) -> UInt64 {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                return random % bound
            }
            let count = UInt32(next(9))
            var race = Race(count)
            var ms: UInt64 = 0
            var places: Set<UInt32> = []
            var tried: [String] = []
            var isOver = false
            for _ in 0..<200 where !isOver {
                for line in race.run(at: ms) {
                    let words = line.split(separator: " ")
                    if words[0] == "try" {
                        tried.append(String(words[1]))
                        places.insert(UInt32(words[3].prefix(1))!)
                    }
                    isOver = line == "over"
                }
                #expect(race.underWay <= MOCRA_RACE_PLACES && race.underWay == UInt32(places.count))
                ms += next(400)
                if let place = places.first, next(3) == 0 {
                    race.fail(place)
                    places.remove(place)
                }
            }
            #expect(isOver)
            #expect(tried == (0..<count).map(String.init))
        }
    }
}
