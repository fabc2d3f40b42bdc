#include "handlers/event_dispatch/options.h"

#include "config/formats.h"
#include "handlers/event_dispatch/channel_names.h"

namespace banyan::handlers {
namespace {

using namespace std::chrono_literals;

// They are looked up one by one for who comes back, from the newest on, for each 64k that are sent.
constexpr uint32_t kMostHistory = 10'000;

// The ring keeps no event that is longer than a sixteenth of it.
constexpr uint64_t kRingPerEvent = 16;

const config::Section<HistoryOptions>& history_section() {
  static const config::Section<HistoryOptions> section(
      "history",
      "What subscribers that come back can be sent again. What is older than either limit, or was pushed out "
      "of memory by other events, is a gap, which they are told about.",
      {config::field("messages", &HistoryOptions::messages, config::integer<uint32_t>(0, kMostHistory),
                     "The newest events of each channel."),
       config::field("age", &HistoryOptions::age, config::duration(0ms, 7 * 24h), "Since they came.")});
  return section;
}

const config::Section<QueueOptions>& queue_section() {
  static const config::Section<QueueOptions> section(
      "queue", "What waits for a subscriber that does not read as fast as events come.",
      {config::field("bytes", &QueueOptions::bytes, config::size(1024, uint64_t{1} << 30),
                     "Most bytes for one connection, beside the 16k or so that the kernel holds."),
       config::field("messages", &QueueOptions::messages, config::integer<uint32_t>(1, 1'000'000),
                     "Most messages for one connection."),
       config::field(
           "when_full", &QueueOptions::when_full,
           config::choice<WhenFull>({{"close", WhenFull::close}, {"drop_oldest", WhenFull::drop_oldest}}),
           "Whether the connection is closed then (WebSocket: 1013), or its oldest messages are left "
           "out, which banyan.v1 and event streams announce."),
       config::field("total", &QueueOptions::total, config::size(1 << 20, uint64_t{1} << 40),
                     "Most memory that what waits for all connections of a worker may take. An event that "
                     "waits for many is there once. When it is used up, every queue is full.")});
  return section;
}

std::string authorize_problem(const std::string& text) {
  const size_t dot = text.find('.');
  const size_t slash = text.find('/');
  const bool good = (text.starts_with("upstream.") || text.starts_with("handler.")) && slash != text.npos &&
                    slash > dot + 1;
  return good ? "" : "must be a target and a path: \"upstream.node/may-listen\"";
}

void check_rights(SubscribeOptions& options, const config::Value& value) {
  if (!options.jwt_secret.empty() && !options.jwt_public_key.empty()) {
    value.at("jwt_public_key").error("there is a jwt_secret already; only one of them can be");
  }
  if (options.wants_token()) return;
  // What -T prints, which is every default, can be read back.
  const bool other_claim = options.claim != SubscribeOptions().claim;
  for (const auto& [key, said] : {std::pair{"audience", !options.audience.empty()}, {"claim", other_claim}}) {
    if (said) value.at(key).error("has no effect without jwt_secret or jwt_public_key");
  }
}

const config::Section<SubscribeOptions>& subscribe_section() {
  using Options = SubscribeOptions;
  static const config::Section<Options> section(
      "subscribe", "Who may subscribe. A reload applies changes to those who are connected, too.",
      {config::field(
           "jwt_secret", &Options::jwt_secret, config::secret(),
           "Subscribers need a JSON Web Token signed with this secret (HS256, HS384, HS512). It is "
           "looked for in Authorization: Bearer, in \"access_token\" of the query, and in the "
           "WebSocket subprotocol \"access_token.TOKEN\". That one is never chosen, so a browser must offer "
           "another with it, banyan.v1 or one of its own, or it gives the connection up."),
       config::field(
           "jwt_public_key", &Options::jwt_public_key, config::file(),
           "The same, signed with the private key that belongs to this RSA or EC key, PEM. An RSA key is for "
           "RS256, RS384 and RS512, an EC key for what goes with its curve: ES256 for P-256, ES384 for "
           "P-384, ES512 for P-521."),
       config::field("audience", &Options::audience, config::nonempty_text(),
                     "Must be among the \"aud\" of tokens."),
       config::field("claim", &Options::claim, config::nonempty_text(),
                     "The claim with the channels a token allows: a string or a list; \"*\" stands for any "
                     "characters. A token without it allows none."),
       config::field(
           "origins", &Options::origins, config::list(config::nonempty_text(), true),
           "Pages of these origins may subscribe, in lower case, as browsers say them in Origin; "
           "\"*\" stands for any characters. Others get 403; clients that send no Origin are no "
           "browsers. Without the list every page may, or with authorize, which may rely on cookies, "
           "those of the same host."),
       config::field(
           "authorize", &Options::authorize,
           config::checked<std::string>(config::nonempty_text(), authorize_problem),
           "A target and a path that is asked before a subscriber is let in, \"upstream.node/may-listen\": "
           "a GET with the client's own fields, X-Original-URI and X-Original-Method. Answers 2xx allow "
           "the channels of the request, 401, with its WWW-Authenticate, and 403 are passed on, others are "
           "500. Commands of "
           "banyan.v1 for other channels, to subscribe or to publish, get 403: each needs a request that "
           "names it.")},
      check_rights);
  return section;
}

// As config::keep_in_order: who says only one of two gets what goes with it.
void keep_in_order(EventDispatchOptions& options, const config::Value& value) {
  const uint64_t most = options.memory / kRingPerEvent;
  if (options.max_message > most) {
    if (!value.has("max_message")) {
      options.max_message = most;
    } else if (!value.has("memory")) {
      options.memory = options.max_message * kRingPerEvent;
    } else {
      value.at("max_message").error("must not be more than a sixteenth of memory");
    }
  }
  if (options.queue.bytes >= options.max_message) return;
  if (!value.has("max_message")) {
    options.max_message = options.queue.bytes;
  } else if (!value.at("queue").has("bytes")) {
    options.queue.bytes = options.max_message;
  } else {
    value.at("queue").error("bytes must not be less than max_message");
  }
}

void check_options(EventDispatchOptions& options, const config::Value& value) {
  keep_in_order(options, value);
  if (options.websocket_publish && !options.publish_token.empty() && !options.subscribe.wants_token()) {
    value.at("websocket_publish")
        .error("would let everybody publish whom publish_token shuts out; needs tokens in subscribe");
  }
  if (options.source && !options.source->channel.empty()) {
    if (const char* problem = channel_name_problem(options.source->channel)) {
      value.at("source").at("channel").error(problem);
    }
  }
}

}  // namespace

const config::Section<EventDispatchOptions>& event_dispatch_section() {
  using Options = EventDispatchOptions;
  static const config::Section<Options> section(
      "event_dispatch",
      "Sends events to everybody who listens to their channel, by WebSocket, event stream or long-poll.",
      {config::field("memory", &Options::memory, config::size(64 << 10, uint64_t{64} << 30),
                     "Shared memory for the events of all channels, which is their history, too. Another "
                     "value makes a new, empty one at the reload."),
       config::field(
           "channels", &Options::channels, config::integer<uint32_t>(16, 16 << 20),
           "Most channels. Beyond them, one without subscribers is forgotten for each new one: of "
           "sixteen, or as many as there are among a thousand, that which was silent for the longest "
           "time. Another value begins anew, as with memory."),
       config::field("history", &Options::history, config::table(history_section()),
                     "What can be sent again."),
       config::field("queue", &Options::queue, config::table(queue_section()),
                     "What waits for slow readers."),
       config::field("ping", &Options::ping, config::duration(1s, 1h),
                     "How often a silent connection is asked whether it is still there (WebSocket ping, a "
                     "comment in event streams), give or take a tenth."),
       config::field("pong", &Options::pong, config::duration(1s, 1h),
                     "How long the answer to a ping may take before the connection is given up; of an event "
                     "stream, how long it may take nothing while something waits for it."),
       config::field("max_message", &Options::max_message, config::size(1, 64 << 20),
                     "Longest event, and longest message of a WebSocket client (1009)."),
       config::field("max_connections", &Options::max_connections,
                     config::integer_or<uint32_t>("auto", 1, 10'000'000),
                     "Most subscribers of one worker; others get 503. \"auto\": as many as there may be open "
                     "files (RLIMIT_NOFILE), less 10 percent."),
       config::field("max_subscriptions", &Options::max_subscriptions, config::integer<uint32_t>(1, 10'000),
                     "Most channels of one connection."),
       config::field("max_wait", &Options::max_wait, config::duration(1s, 1h),
                     "Longest \"wait\" of a long-poll; longer ones are cut to it, and to the route's "
                     "deadline."),
       config::field("receive_rate", &Options::receive_rate, config::rate_or_off(),
                     "How much a WebSocket client may send, in messages and pings, before its connection is "
                     "closed (1008)."),
       config::field("subscribe", &Options::subscribe, config::table(subscribe_section()),
                     "Who may subscribe."),
       config::field(
           "publish_token", &Options::publish_token, config::secret(),
           "Publishers need this token, in Authorization: Bearer, or one of \"subscribe\" whose claim "
           "\"publish\" allows the channel. Without either, everybody may publish whom the route lets "
           "through."),
       config::field("publish_rate", &Options::publish_rate, config::rate_or_off(),
                     "Most events from one address in that time; others get 429. (WebSocket clients have "
                     "receive_rate.)"),
       config::field("max_batch", &Options::max_batch, config::size(1024, 64 << 20),
                     "Longest body of a batch."),
       config::field(
           "websocket_publish", &Options::websocket_publish, config::flag(),
           "Whether WebSocket clients may publish, to channels that their token allows if there must be "
           "one, and with authorize only to those of their request: with the command \"publish\" of "
           "banyan.v1, or by messages to the one channel of a plain WebSocket."),
       config::field(
           "schema", &Options::schema, event_schema(),
           "Fields that every event must have, { NAME = \"TYPE\" }: string, int, number, bool, time (RFC "
           "3339), object, array, any; with \"?\" behind the type, a field may be missing. Others get 422."),
       config::field(
           "presence", &Options::presence, config::list(config::nonempty_text(), true),
           "Channels whose subscribers are told who comes and goes, as events between the others; \"*\" "
           "stands "
           "for any characters. Each of n subscribers who come is told to n others: not for the largest "
           "channels."),
       config::field("source", &Options::source, config::optional(config::table(redis_source_section())),
                     "A stream of Redis whose entries are published, too."),
       config::field(
           "deflate", &Options::deflate, config::flag(),
           "Whether WebSocket clients that offer permessage-deflate get events of 128 bytes and more "
           "compressed. Each event is compressed once for all; what is sent again to those who come back is "
           "not.")},
      check_options);
  return section;
}

}  // namespace banyan::handlers
