#include "handlers/event_dispatch/redis_options.h"

#include "config/formats.h"

namespace banyan::handlers {
namespace {

void check_source(RedisSourceOptions& options, const config::Value& value) {
  if (!options.channel.empty() && value.has("channel_field")) {
    value.at("channel_field").error("has no effect beside channel");
  }
  if (!options.username.empty() && options.password.empty()) {
    value.at("username").error("has no effect without password");
  }
}

}  // namespace

const config::Section<RedisSourceOptions>& redis_source_section() {
  using Options = RedisSourceOptions;
  using From = Options::From;
  static const config::Section<Options> section(
      "source",
      "A stream of Redis whose entries are published. The controller reads it, as the only consumer of a "
      "group; "
      "entries are acknowledged when they are in the log, and those that come twice are published once.",
      {config::field("redis_stream", &Options::redis_stream, config::nonempty_text(),
                     "The key of the stream.")
           .required(),
       config::field("address", &Options::address, config::address(), "Where Redis listens."),
       config::field("username", &Options::username, config::nonempty_text(),
                     "For AUTH with access control lists."),
       config::field("password", &Options::password, config::secret(), "For AUTH."),
       config::field("database", &Options::database, config::integer<uint32_t>(0, 1'000'000), "For SELECT."),
       config::field(
           "group", &Options::group, config::nonempty_text(),
           "The consumer group, which is made if it is not there. Each Banyan needs its own, or it "
           "would get a part of the entries only. Without this key: \"banyan-\" and the name of the "
           "host."),
       config::field("from", &Options::from,
                     config::choice<From>({{"now", From::now}, {"first", From::first}}),
                     "Where a new group begins: with the next entry, or with the oldest there is."),
       config::field("channel", &Options::channel, config::nonempty_text(),
                     "The channel of all entries. Without it each entry names its own."),
       config::field("channel_field", &Options::channel_field, config::nonempty_text(),
                     "The field of entries with the channel's name."),
       config::field("data_field", &Options::data_field, config::nonempty_text(),
                     "The field of entries that is published. Entries without it are published as a JSON "
                     "object of their other fields.")},
      check_source);
  return section;
}

}  // namespace banyan::handlers
