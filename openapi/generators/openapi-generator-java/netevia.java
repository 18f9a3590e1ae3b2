import client.ApiClient;
import client.ApiException;
import client.api.AuthenticationApi;
import client.model.*;

/** Signs in with a password and the code of an authenticator app. */
class SignIn {
  public static void main(String[] arguments) throws Exception {
    var api = new ApiClient();
    api.updateBaseUri(System.getenv("URL"));
    var password = new AuthRequest().login(System.getenv("NAME")).password(System.getenv("PASSWORD"));
    try {
      var answer = new AuthenticationApi(api).authenticate(password);
      if (answer.getActualInstance() instanceof AuthMfaRequiredResponse asked) {
        System.out.println("method: " + asked.getMfaMethod().getActualInstance());
        var proof = new CompleteAuthRequest().mfaToken(asked.getMfaToken()).code(System.getenv("CODE"));
        if (new AuthenticationApi(api).completeAuthentication(proof).getToken() != null) {
          System.out.println("signed in");
        }
      }
    } catch (ApiException refused) {
      var error = api.getObjectMapper().readValue(refused.getResponseBody(), InvalidCredentialsErrorResponseOrOther.class);
      if (error.getActualInstance() instanceof InvalidCredentialsErrorResponse known) {
        System.out.println("error: " + known.getCode());
      } else if (error.getActualInstance() instanceof ErrorResponse other) {
        System.out.println("other: " + other.getCode());
      }
    }
  }
}
