#include "handler/handler.h"

namespace banyan::handler {

void answer(Call& call, BufferPools& buffers, http::ResponseHead head, std::string_view body) {
  const http::Method method = call.request().method;
  const bool without_body = http::has_no_body(method, head.status);
  // An answer to HEAD tells the size it would have had (RFC 9110 section 9.3.2).
  const bool has_size =
      !without_body || (method == http::Method::head && !http::has_no_body(http::Method::get, head.status));
  head.body = has_size ? http::BodyLength{http::BodyKind::sized, body.size()} : http::BodyLength{};
  call.respond(head);
  http::BodyWriter& writer = call.response_body();
  if (!without_body && !body.empty()) {
    writer.write_copy(body.size() <= BufferPools::kSmall ? buffers.small : buffers.large, body);
  }
  writer.end();
}

}  // namespace banyan::handler
