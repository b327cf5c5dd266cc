import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** The JDK's own HttpClient, which asks for HTTP/2 first. Reads and prints as told.ts does. */
class Steps {
  public static void main(String[] args) throws Exception {
    var builder = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER);
    if (System.getenv("SSL_CERT_FILE") != null) builder.sslContext(trusting(System.getenv("SSL_CERT_FILE")));
    var client = builder.build();
    for (var line : Files.readString(Path.of(System.getenv("STEPS"))).split("\n")) {
      var fields = line.split("\t", -1);
      var request = HttpRequest.newBuilder(URI.create(System.getenv("API_URL") + fields[2]));
      request.header("Authorization", "Bearer " + System.getenv("API_TOKEN"));
      if (!fields[3].isEmpty()) request.header("Content-Type", fields[3]);
      request.method(fields[1], body(fields[4]));
      var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
      var bytes = answer.body();
      var digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
      var text = Base64.getEncoder().encodeToString(Arrays.copyOf(bytes, Math.min(bytes.length, 16384)));
      var told = new Object[] {fields[0], answer.statusCode(), answer.version(), of(answer, "content-type"),
        of(answer, "location"), of(answer, "x-decision-id"), bytes.length, digest, text};
      System.out.println(String.join("\t", Arrays.stream(told).map(String::valueOf).toList()));
    }
  }

  static HttpRequest.BodyPublisher body(String text) {
    if (text.isEmpty()) return HttpRequest.BodyPublishers.noBody();
    if (!text.startsWith("bytes:")) return HttpRequest.BodyPublishers.ofString(text, StandardCharsets.UTF_8);
    var bytes = new byte[Integer.parseInt(text.substring(6))];
    Arrays.fill(bytes, (byte) 'a');
    return HttpRequest.BodyPublishers.ofByteArray(bytes);
  }

  static String of(HttpResponse<?> answer, String header) {
    return answer.headers().firstValue(header).orElse("");
  }

  static SSLContext trusting(String file) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (var stream = new FileInputStream(file)) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(stream));
    }
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    var context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
