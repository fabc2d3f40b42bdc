// What the sections about TLS towards clients and towards servers have in common.
#pragma once

#include <string_view>

#include "config/formats.h"

namespace banyan::config {

// "1.2" or "1.3".
Format<Tls::Version> tls_version();

// Cheap checks that tell a key from a certificate; the TLS library has the last word. Each reports what is
// wrong against the value.
void check_certificate_file(const Value& value, const FileRef& file);
void check_key_file(const Value& value, const FileRef& file);
void check_crl_file(const Value& value, const FileRef& file);
// certificate and key of `value` come together or not at all.
void check_certificate_pair(const Value& value);

}  // namespace banyan::config
