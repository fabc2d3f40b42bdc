// What events look like on the wire, made once for all who want the same form:
//
//   plain      a WebSocket message, text or binary, as published; nothing for who comes and goes
//   envelope   banyan.v1: {"channel":"x","epoch":7,"offset":12,"data":…}; what is not UTF-8 as "data_base64"
//   sse        id: 7:12 / data: …           what is not UTF-8 as an event of the type "binary", in base64
//
// A Run is some of them one behind the other, in one piece of memory that all queues share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/ws_deflate.h"
#include "shm/event_log.h"

namespace banyan::handlers {

enum class Dress : uint8_t { plain, envelope, sse };

struct Form {
  Dress dress = Dress::plain;
  uint8_t deflate_bits = 0;  // of the agreed window; 0: not compressed
  bool operator==(const Form&) const = default;
};

// An event that was copied out of the log.
struct StoredEvent {
  shm::EventId id;
  shm::EventKind kind = shm::EventKind::text;
  std::string data;
};

// The event's own id for event streams of one channel; those of several write where they stand in all.
void append_event(std::string& out, const Form& form, std::string_view channel, const StoredEvent& event,
                  std::string_view sse_id = {});

// The event as the envelope protocol says it.
std::string event_json(std::string_view channel, const StoredEvent& event);

// What is said to clients beside events. JSON for the envelope protocol, an event of that type in streams.
void append_note(std::string& out, Dress dress, std::string_view type, std::string_view json,
                 std::string_view sse_id = {});

// Text and the frames around it.
void append_ws_text(std::string& out, std::string_view text);

// Bytes of messages that connections share; counted references, one thread.
class Run {
 public:
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  std::string bytes;
  std::vector<uint32_t> ends;  // where in `bytes` each message ends; the first begins at 0
  uint64_t first_offset = 0;   // of the first message, if these are consecutive events of a channel

  uint32_t size() const { return static_cast<uint32_t>(bytes.size()); }
  // Where the message begins that ends behind `place`, and where it ends. REQUIRES: place < size().
  uint32_t begin_of_message(uint32_t place) const;
  uint32_t end_of_message(uint32_t place) const;
  // Messages that end in (from, to].
  uint32_t messages(uint32_t from, uint32_t to) const;
  // Where the first event with an offset above `after` begins; size() if there is none.
  uint32_t begin_after(uint64_t after) const;

 private:
  friend class RunRef;
  Run() = default;
  ~Run() {
    if (held_) *held_ -= bytes.capacity();
  }
  uint32_t references_ = 0;
  uint64_t* held_ = nullptr;
};

class RunRef {
 public:
  RunRef() = default;
  static RunRef make() { return RunRef(new Run); }
  RunRef(const RunRef& other) : run_(other.run_) {
    if (run_) ++run_->references_;
  }
  RunRef(RunRef&& other) noexcept : run_(std::exchange(other.run_, nullptr)) {}
  RunRef& operator=(RunRef other) noexcept {
    std::swap(run_, other.run_);
    return *this;
  }
  ~RunRef() {
    if (run_ && --run_->references_ == 0) delete run_;
  }
  Run& operator*() const { return *run_; }
  Run* operator->() const { return run_; }
  explicit operator bool() const { return run_ != nullptr; }
  // From now on its bytes count in `held`, until the last reference is gone. `held` outlives the run.
  void count_in(uint64_t& held) const {
    if (run_->held_) return;
    run_->held_ = &held;
    held += run_->bytes.capacity();
  }

 private:
  explicit RunRef(Run* run) : run_(run) { ++run_->references_; }
  Run* run_ = nullptr;
};

// Some consecutive bytes of a run.
struct RunPart {
  RunRef run;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
  uint32_t messages() const { return run->messages(begin, end); }
};

// One message of ours as a run.
RunRef single_run(std::string bytes);

}  // namespace banyan::handlers
