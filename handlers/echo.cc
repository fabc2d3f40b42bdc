// echo: answers with what it received, as a target sees it once rules and rewrites were applied.
//
//   a request with a body     the body back, while it arrives, with its Content-Type and trailers
//   a request without one     the request line and the fields as text
//   always                    X-Echo-Method, X-Echo-Path, X-Echo-Query, X-Echo-Host
#include <string>

#include "config/schema.h"
#include "config/section.h"
#include "handlers/all_handlers.h"

namespace banyan::handlers {
namespace {

struct EchoOptions {
  bool operator==(const EchoOptions&) const = default;
};

const config::Section<EchoOptions>& echo_section() {
  static const config::Section<EchoOptions> section(
      "echo",
      "Answers with what it received: the body, or without one the request line and the fields as text.", {});
  return section;
}

// The head in the form of HTTP/1.1, one line each.
std::string describe(const http::RequestHead& head) {
  std::string text;
  text.append(head.method_text).append(" ").append(head.path);
  if (head.has_query) text.append("?").append(head.query);
  text.append("\n");
  for (const http::Field& field : head.fields) {
    text.append(field.name).append(": ").append(field.value).append("\n");
  }
  return text;
}

void add_request_fields(const http::RequestHead& request, http::Fields& fields) {
  fields.add_copy("X-Echo-Method", request.method_text);
  fields.add_copy("X-Echo-Path", request.path);
  if (request.has_query) fields.add_copy("X-Echo-Query", request.query);
  fields.add_copy("X-Echo-Host", request.host);
  // The client chose the type; browsers shall at least not guess another.
  fields.add("X-Content-Type-Options", "nosniff");
}

// Moves the request's body to the answer, at the pace of the slower side.
class EchoSession final : public handler::Session, http::BodyReader::Listener, http::BodyWriter::Listener {
 public:
  explicit EchoSession(handler::Call& call) : reader_(call.request_body()), writer_(call.response_body()) {
    reader_.listen(this);
    writer_.listen(this);
  }

  ~EchoSession() override {
    if (!writer_.finished()) stop();
  }

 private:
  void on_body() override { move(); }
  void on_room() override { move(); }

  void move() {
    if (writer_.finished()) return;
    while (!reader_.empty() && !writer_.full()) {
      const Slice slice = reader_.front();
      writer_.write(slice);
      reader_.consume(slice.size);
    }
    if (reader_.error()) {
      stop();
      writer_.fail(*reader_.error());
    } else if (reader_.at_end()) {
      stop();
      writer_.end(reader_.trailers());
    }
  }

  void stop() {
    reader_.listen(nullptr);
    writer_.listen(nullptr);
  }

  http::BodyReader& reader_;
  http::BodyWriter& writer_;
};

class Echo final : public handler::Handler {
 public:
  explicit Echo(BufferPools& buffers) : buffers_(buffers) {}

  std::unique_ptr<handler::Session> open(handler::Call& call) override {
    const http::RequestHead& request = call.outbound();
    http::ResponseHead head;
    add_request_fields(request, head.fields);
    if (request.body.kind == http::BodyKind::none || request.method == http::Method::head) {
      head.fields.add(http::FieldId::content_type, "text/plain; charset=utf-8");
      handler::answer(call, buffers_, std::move(head), describe(request));
      return nullptr;
    }
    for (http::FieldId id : {http::FieldId::content_type, http::FieldId::content_encoding}) {
      if (const http::Field* field = request.fields.find(id)) head.fields.add(id, field->value);
    }
    head.body = request.body;
    call.respond(head);
    return std::make_unique<EchoSession>(call);
  }

 private:
  BufferPools& buffers_;
};

Result<std::unique_ptr<handler::Handler>> make_echo(const config::HandlerEntry&,
                                                    handler::Services& services) {
  std::unique_ptr<handler::Handler> made = std::make_unique<Echo>(services.buffers);
  return made;
}

}  // namespace

handler::HandlerType echo_type() {
  const config::AnySection& section = echo_section();
  return {section.name(), section.doc(), section, make_echo};
}

}  // namespace banyan::handlers
