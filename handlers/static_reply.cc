// static_reply: the same answer for every request.
#include <algorithm>
#include <string>
#include <vector>

#include "config/formats.h"
#include "handlers/all_handlers.h"

namespace banyan::handlers {
namespace {

struct StaticReplyOptions {
  uint32_t status = 200;
  std::string body;
  std::vector<config::HeaderField> headers;
  bool operator==(const StaticReplyOptions&) const = default;
};

const config::Section<StaticReplyOptions>& static_reply_section() {
  static const config::Section<StaticReplyOptions> section(
      "static_reply", "Gives the same answer to every request.",
      {config::field("status", &StaticReplyOptions::status, config::integer<uint32_t>(200, 599),
                     "The status of the answer."),
       config::field("body", &StaticReplyOptions::body, config::text(), "The body. 204 and 304 have none."),
       config::field(
           "headers", &StaticReplyOptions::headers, config::header_fields(),
           "Fields of the answer, { Name = \"value\" }. Content-Type is \"text/plain; charset=utf-8\" "
           "unless it is given.")},
      [](const StaticReplyOptions& options, const config::Value& value) {
        if (!options.body.empty() && http::has_no_body(http::Method::get, static_cast<int>(options.status))) {
          value.at("body").error("must be empty: an answer with this status has none");
        }
      });
  return section;
}

class StaticReply final : public handler::Handler {
 public:
  StaticReply(const StaticReplyOptions& options, BufferPools& buffers)
      : options_(options), buffers_(buffers) {
    has_type_ = std::any_of(options.headers.begin(), options.headers.end(), [](const auto& field) {
      return http::equal_ignoring_case(field.first, "Content-Type");
    });
  }

  std::unique_ptr<handler::Session> open(handler::Call& call) override {
    http::ResponseHead head;
    head.status = static_cast<int>(options_.status);
    for (const auto& [name, value] : options_.headers) head.fields.add(name, value);
    if (!has_type_ && !options_.body.empty()) {
      head.fields.add(http::FieldId::content_type, "text/plain; charset=utf-8");
    }
    handler::answer(call, buffers_, std::move(head), options_.body);
    return nullptr;
  }

 private:
  const StaticReplyOptions& options_;  // of the configuration, which lives longer
  BufferPools& buffers_;
  bool has_type_;
};

Result<std::unique_ptr<handler::Handler>> make_static_reply(const config::HandlerEntry& entry,
                                                            handler::Services& services) {
  std::unique_ptr<handler::Handler> made =
      std::make_unique<StaticReply>(entry.options.as<StaticReplyOptions>(), services.buffers);
  return made;
}

}  // namespace

handler::HandlerType static_reply_type() {
  const config::AnySection& section = static_reply_section();
  return {section.name(), section.doc(), section, make_static_reply};
}

}  // namespace banyan::handlers
