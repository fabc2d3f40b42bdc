#include "exchange/answer_head.h"

#include <fmt/format.h>

#include <algorithm>

namespace banyan::exchange {

void make_answer_head(const http::RequestHead& request, const http::ResponseHead& head, std::string_view via,
                      http::ResponseHead& out) {
  using http::FieldId;
  out.clear();
  out.status = head.status;
  out.reason = head.reason;
  out.body = head.body;
  http::add_end_to_end_fields(head.fields, out.fields);
  if (request.method == http::Method::head || head.status == 304) {
    if (const http::Field* size = head.fields.find(FieldId::content_length)) out.fields.add(*size);
  }
  if (!via.empty()) {
    const std::string_view version = head.minor_version == 0 ? "1.0 " : "1.1 ";
    out.fields.add(FieldId::via, out.fields.arena().concat({version, via}));
  }
  const http::Field* upgrade = head.fields.find(FieldId::upgrade);
  if (head.status == 101) out.fields.add(FieldId::upgrade, upgrade ? upgrade->value : request.upgrade);
  if (head.status == 426 && upgrade) out.fields.add(*upgrade);
}

void add_error_fields(const Error& error, std::string_view name, http::Fields& fields) {
  if (error.fault != Fault::client) {
    fields.add_copy(http::FieldId::proxy_status, fmt::format("{}; error={}", name, error.type));
  }
  if (error.retry_after.count() > 0 || error.status == 503) {
    auto seconds = std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(error.retry_after).count());
    fields.add_copy(http::FieldId::retry_after, fmt::format("{}", seconds));
  }
}

}  // namespace banyan::exchange
