import client.ApiClient;
import client.ApiException;
import client.api.SessionsApi;
import client.model.*;

/** Signs in with a password and the code of an authenticator app. */
class SignIn {
  public static void main(String[] arguments) throws Exception {
    var api = new ApiClient();
    api.updateBaseUri(System.getenv("URL"));
    var password = new LoginRequest().email(System.getenv("NAME")).password(System.getenv("PASSWORD"));
    try {
      var answer = new SessionsApi(api).login(password);
      if (answer.getMfaRequired()) {
        System.out.println("method: " + answer.getMfaMethods().get(0).getActualInstance());
        api.setRequestInterceptor(call -> call.header("Authorization", "Bearer " + answer.getAccessToken()));
        var proof = new VerifyMfaLoginRequest().mfaType(MfaType.GOOGLE_AUTH).code(System.getenv("CODE"));
        if (new SessionsApi(api).verifyMfaLogin(proof).getFullAccessToken() != null) {
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
