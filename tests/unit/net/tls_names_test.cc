#include "net/tls_names.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "net/tls_files.h"
#include "unit/net/certificates.h"

namespace banyan::net {
namespace {

OwnedContext make_context() { return OwnedContext(SSL_CTX_new(TLS_server_method())); }

TEST(TlsNames, ExactBeforeWildcardBeforeNothing) {
  OwnedContext app = make_context(), rest = make_context();
  TlsNames names(false);
  names.add({"app.example.org", "example.org"}, app.get());
  names.add({"*.example.org", "app.example.org"}, rest.get());
  EXPECT_EQ(names.find("app.example.org"), app.get()) << "the first one keeps the name";
  EXPECT_EQ(names.find("APP.Example.org."), app.get());
  EXPECT_EQ(names.find("other.example.org"), rest.get());
  EXPECT_EQ(names.find("example.org"), app.get());
  EXPECT_EQ(names.find("a.b.example.org"), nullptr) << "a wildcard is one label";
  EXPECT_EQ(names.find("example.net"), nullptr);
  EXPECT_EQ(names.find("localhost"), nullptr);
  EXPECT_EQ(names.find(""), nullptr);
  EXPECT_EQ(names.find("."), nullptr);
}

TEST(TlsNames, KeepsItsContexts) {
  TlsNames names(false);
  {
    OwnedContext gone = make_context();
    names.add({"a"}, gone.get());
  }
  ASSERT_NE(names.find("a"), nullptr);
  EXPECT_NE(SSL_CTX_get_cert_store(names.find("a")), nullptr);
}

TEST(TlsNames, OfACertificate) {
  CertificateText text =
      make_certificate(-1, 3600, nullptr, "DNS:A.example,DNS:*.b.example,IP:127.0.0.1,email:x@y.example");
  auto chain = read_certificates("certificate", {"x.pem", text.certificate});
  ASSERT_TRUE(chain);
  EXPECT_EQ(names_of((*chain)[0].get()), (std::vector<std::string>{"a.example", "*.b.example"}));
}

}  // namespace
}  // namespace banyan::net
