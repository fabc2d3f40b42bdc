// One answer that may last for hours (WebSocket or other tunnel, event stream), and its polite end when its
// rollout has moved the client, or the process stops:
//
//   WebSocket     at the end of a frame: close frame 1012 (service restart). The client's own close frame
//                 reaches the server, which ends the connection; if nobody does, we do after a grace.
//   event stream  at the end of an event: "retry:" with jitter, then the end of the stream
//   others        the end
//
// What the server sends behind that point is dropped: it belongs to a connection that is no more.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/random.h"
#include "event/deferred.h"
#include "event/timer.h"
#include "exchange/farewells.h"
#include "exchange/follow.h"
#include "exchange/long_lived_bytes.h"
#include "http/body_pipe.h"
#include "http/head.h"

namespace banyan::exchange {

class LongLived final : private Follow::Member, private Farewells::Member, private http::BodyWriter::Gate {
 public:
  enum class Kind { none, websocket, events, opaque };
  // What sort of answer this head begins; none: it is not long-lived.
  static Kind kind_of(const http::RequestHead& request, const http::ResponseHead& head);
  // Why it was asked to end.
  enum class Cause { none, moved, stopping };

  class Owner {
   public:
    // The answer is to be ended: the session goes, the response body ends. From the loop.
    virtual void end_long_lived() = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive this. REQUIRES: kind is not none.
  struct Surroundings {
    event::Loop& loop;
    BufferPools& buffers;
    Follow& follow;
    Farewells& farewells;
    Random& random;
  };
  LongLived(const Surroundings& here, Kind kind, http::BodyWriter& body, Owner& owner);
  ~LongLived();
  // Its rollout may move it.
  void follow(const std::string& rollout, const Follow::Member::Decided& decided);

  Cause cause() const { return cause_; }

 private:
  struct Opaque {
    size_t feed(std::string_view bytes) { return bytes.size(); }
    bool at_boundary() const { return true; }
  };

  void on_moved() override { leave(Cause::moved); }
  void on_farewell() override { leave(Cause::stopping); }
  void leave(Cause cause);
  size_t pass(std::string_view bytes) override;
  void say_farewell();
  void end();
  void write(std::string_view bytes);
  bool at_boundary() const;
  size_t feed(std::string_view bytes);

  Surroundings here_;
  std::variant<FrameTracker, EventTracker, Opaque> tracker_;
  http::BodyWriter& body_;
  Owner& owner_;
  event::Deferred farewell_;
  event::Timer grace_;
  Cause cause_ = Cause::none;
  bool cut_ = false;      // nothing more of the server's passes
  bool writing_ = false;  // our own bytes do
};

}  // namespace banyan::exchange
