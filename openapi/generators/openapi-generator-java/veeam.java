import client.ApiClient;
import client.ApiException;
import client.api.AuthenticationApi;
import client.model.*;

/** Signs in with a password and the code of an authenticator app. */
class SignIn {
  public static void main(String[] arguments) throws Exception {
    var api = new ApiClient();
    api.updateBaseUri(System.getenv("URL"));
    var tokens = new AuthenticationApi(api);
    try {
      var answer = tokens.requestToken("Password", System.getenv("NAME"), System.getenv("PASSWORD"), null, null, null);
      if (answer.getMfaToken() != null) {
        System.out.println("method: " + answer.getMfaMethod().getActualInstance());
        answer = tokens.requestToken("Mfa", null, null, null, answer.getMfaToken(), System.getenv("CODE"));
      }
      if (answer.getAccessToken() != null) {
        System.out.println("signed in");
      }
    } catch (ApiException refused) {
      var error = api.getObjectMapper().readValue(refused.getResponseBody(), RequestTokenError401.class);
      if (error.getActualInstance() instanceof InvalidCredentialsErrorResponse known) {
        System.out.println("error: " + known.getCode());
      } else if (error.getActualInstance() instanceof ErrorResponse other) {
        System.out.println("other: " + other.getCode());
      }
    }
  }
}
