// The shared segment, byte by byte. One memfd, mapped by the master before it forks; untouched pages cost
// nothing.
//
//   Header                magic, layout version, size, fold sequence
//   DirectoryArea         names of routes, servers, rollouts … → small numbers; written by the master only
//   ProcessSlot × 258     who lives: 0 the master, 1 the controller, 2 + i worker i; each writes its own
//   CounterArea × 258     the counters of those processes; each writes its own
//   RetiredArea           what dead workers had counted; written by the master only
//   RolloutArea × 1024    one Cell for each rollout; written by the controller only
//   ServerWords × 16384   orders and health for each server, written by the controller; ejections, by all
//   workers BreakerArea × 4096    the circuit breaker of each upstream; every worker writes, by
//   compare-and-swap LoadArea × 258        requests under way at servers that have a limit; each process
//   writes its own RateSet × 65536       one word for each client and limit (GCRA); every worker writes, by
//   compare-and-swap InFlightArea × 258    requests of each client under way, for concurrency limits; each
//   writes its own RolloutMarks × 259    which rollouts each process (and the retired) has counted requests
//   of StatisticsArea × 259  how requests of rollouts ended and how long they took, for gates; each writes
//   its
//                         own; the last one is what dead workers had counted, written by the master only
//   BellWords × 256       which workers were rung and have not looked yet; every process writes
//   TicketArea            the keys of TLS session tickets; written by the master only
//   RegionTable           which part of the tail belongs to whom; written by the master only
//   tail                  regions, for handlers that keep much (caches); mapped by those who use them
//
// Everything starts as zero bytes and zero always means "nothing yet". Only atomics are written after start,
// and no process ever waits for another (but see shm/event_log.h), so any of them may be killed at any
// instruction. A change of this
// file that moves or redefines bytes takes a new kVersion.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace banyan::shm {

inline constexpr uint64_t kMagic = 0x6e61796e61422101;  // "\x01!Banyan"
inline constexpr uint32_t kVersion = 5;

inline constexpr uint32_t kWorkers = 256;
inline constexpr uint32_t kMasterSlot = 0;
inline constexpr uint32_t kControllerSlot = 1;
inline constexpr uint32_t kFirstWorkerSlot = 2;
inline constexpr uint32_t kSlots = kFirstWorkerSlot + kWorkers;
constexpr uint32_t worker_slot(uint32_t worker) { return kFirstWorkerSlot + worker; }

using Word = std::atomic<uint64_t>;
using HalfWord = std::atomic<uint32_t>;
static_assert(Word::is_always_lock_free && HalfWord::is_always_lock_free);

struct alignas(64) Header {
  uint64_t magic;
  uint64_t size;
  uint32_t version;
  HalfWord workers;    // worker slots that were ever used are below this
  Word fold_sequence;  // odd while the master moves a dead worker's counters to RetiredArea
};

// What a name in the directory belongs to.
enum class Kind : uint8_t { route, upstream, server, rollout, handler, script };
inline constexpr size_t kKinds = 6;
inline constexpr std::array<uint32_t, kKinds> kNames = {16383, 4095, 16383,
                                                        1023,  4095, 255};  // most of each kind
inline constexpr uint32_t kAllNames = 16383 + 4095 + 16383 + 1023 + 4095 + 255;

struct NamePlace {
  uint32_t offset;
  uint32_t size;
};

struct alignas(64) DirectoryArea {
  std::array<HalfWord, kKinds> counts;  // published last
  uint32_t text_used;                   // the master's own
  std::array<NamePlace, kAllNames> names;
  std::array<char, 8 << 20> text;
};

struct alignas(64) ProcessSlot {
  HalfWord pid;
  HalfWord state;       // ProcessState
  HalfWord generation;  // of its configuration
  HalfWord restarts;    // how often the process in this slot was replaced after it died
  Word started;         // milliseconds since 1970
  Word connections;     // open now
  Word requests;        // since it started
  Word beat;            // counts up once a second while its loop turns
  Word loop_lag;        // the longest turn of the last full second, microseconds
};

struct CounterEntry {
  Word key;
  Word value;
};

template <size_t Capacity>
struct alignas(4096) CounterTable {
  HalfWord count;  // entries below it are complete; published last
  alignas(64) std::array<CounterEntry, Capacity> entries;
};
using CounterArea = CounterTable<65000>;
using RetiredArea = CounterTable<520000>;

struct alignas(64) RolloutArea {
  std::array<std::byte, 512> bytes;
};

inline constexpr size_t kServerNumbers = 16384;
struct alignas(32) ServerWords {
  HalfWord order;      // ServerOrder
  HalfWord health;     // ServerHealth
  HalfWord failures;   // in a row, of all workers
  HalfWord ejections;  // shortly after each other; each lasts longer
  Word ejected_until;  // shared milliseconds; 0: never was
  Word recovered;      // shared milliseconds: when an order or a probe brought it back; 0: never went away
};

// Circuit breaker of an upstream; see breaker.cc for the bits.
inline constexpr size_t kBreakerSlices = 8;
struct alignas(128) BreakerArea {
  Word state;
  Word trial;
  std::array<Word, kBreakerSlices> slices;
};

struct alignas(4096) LoadArea {
  std::array<HalfWord, kServerNumbers> requests;
};

struct alignas(64) TicketArea {
  std::array<std::byte, 1024> bytes;
};

inline constexpr size_t kRateSets = 1 << 16;
struct alignas(64) RateSet {
  std::array<Word, 8> words;
};

inline constexpr size_t kInFlightSets = 1 << 12;
struct alignas(64) InFlightSet {
  std::array<Word, 8> words;
};
struct alignas(4096) InFlightArea {
  std::array<InFlightSet, kInFlightSets> sets;
};

// How requests of one side ended (shm::Ending) and how long they took (shm::latency_bucket).
inline constexpr size_t kEndingWords = 7;
inline constexpr size_t kLatencyWords = 186;
struct alignas(64) SideArea {
  std::array<Word, kEndingWords> endings;
  std::array<Word, kLatencyWords> latencies;
};
struct RolloutSides {
  SideArea legacy;
  SideArea native;
};
inline constexpr size_t kRolloutNumbers = 1024;
struct alignas(4096) StatisticsArea {
  std::array<RolloutSides, kRolloutNumbers> rollouts;
};
struct alignas(64) RolloutMarks {
  std::array<Word, kRolloutNumbers / 64> words;  // a bit for each rollout; set before its first count
};
inline constexpr uint32_t kRetiredStatistics = kSlots;

// See handler/bells.h.
struct alignas(64) BellWord {
  HalfWord rung;
};

// Behind Layout, in the same file. Untouched pages cost nothing, so there is room for every handler that ever
// was; a region is never moved.
inline constexpr uint64_t kTail = uint64_t{1} << 40;
struct RegionEntry {
  Word owner;   // kind and number of the directory
  Word offset;  // in the file
  Word size;
};
struct alignas(64) RegionTable {
  HalfWord count;  // entries below it are complete; published last
  std::array<RegionEntry, 1024> entries;
};

struct Layout {
  Header header;
  DirectoryArea directory;
  std::array<ProcessSlot, kSlots> processes;
  std::array<CounterArea, kSlots> counters;
  RetiredArea retired;
  std::array<RolloutArea, 1024> rollouts;
  std::array<ServerWords, kServerNumbers> servers;
  std::array<BreakerArea, 4096> breakers;
  std::array<LoadArea, kSlots> loads;
  std::array<RateSet, kRateSets> rates;
  std::array<InFlightArea, kSlots> in_flight;
  std::array<RolloutMarks, kSlots + 1> marks;
  std::array<StatisticsArea, kSlots + 1> statistics;
  std::array<BellWord, kWorkers> bells;
  TicketArea tickets;
  RegionTable regions;
};
// Addresses, not memory: what nobody touches is not there.
static_assert(sizeof(Layout) <= size_t{1280} << 20);

}  // namespace banyan::shm
