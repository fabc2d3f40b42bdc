// The subprotocol banyan.v1: JSON objects in text messages.
//
//   in    {"type":"subscribe","channel":"x","since":"7:12"}      since: as in the query, may be missing
//         {"type":"unsubscribe","channel":"x"}
//         {"type":"publish","channel":"x","data":…,"key":"…"}    or "data_base64"; key: as Idempotency-Key
//         {"type":"ping"}
//   out   {"channel":"x","epoch":7,"offset":12,"data":…}         an event
//         {"type":"subscribed","channel":"x","epoch":7,"offset":11}   what follows comes after this offset
//         {"type":"unsubscribed","channel":"x"}   {"type":"published",…}   {"type":"pong"}
//         {"type":"gap","channel":"x","epoch":7,"first_available":5}   {"type":"dropped","count":3}
//         {"type":"error","status":403,"detail":"…"}
//
// "id" of a command, a string or a number, comes back in its answer.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "handlers/event_dispatch/channel_book.h"
#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/event_members.h"
#include "handlers/event_dispatch/publisher.h"

namespace banyan::handlers {

struct Command {
  enum class Type { subscribe, unsubscribe, publish, ping };
  Type type = Type::ping;
  std::string id;       // as JSON; empty: none was given
  std::string channel;  // checked
  Resume since;
  EventMembers event;  // of publish
};

struct CommandError {
  std::string id;  // as far as it could be read
  int status = 400;
  std::string detail;
};

// False: `error` says why.
bool parse_command(std::string_view text, Command& command, CommandError& error);

// Answers, each a whole frame to the end of `out`.
void append_subscribed(std::string& out, const HubChannel& channel, uint64_t after, std::string_view id);
void append_answer(std::string& out, std::string_view type, std::string_view channel, std::string_view id);
// {"type":"published","channel":"x","offset":3,"epoch":7}, and "repeated":true for a repeat.
void append_published(std::string& out, std::string_view channel, const PublishAnswer& answer,
                      std::string_view id);
void append_error(std::string& out, const CommandError& error);

}  // namespace banyan::handlers
