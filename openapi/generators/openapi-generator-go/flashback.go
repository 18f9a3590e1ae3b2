// Signs in with a password and the code of an authenticator app.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"countersign/client"
)

func main() {
	settings := client.NewConfiguration()
	settings.Servers[0].URL = os.Getenv("URL")
	api, ctx := client.NewAPIClient(settings), context.Background()
	password := client.NewLoginRequest(os.Getenv("NAME"), os.Getenv("PASSWORD"))
	answer, _, err := api.SessionsAPI.Login(ctx).LoginRequest(*password).Execute()
	if err == nil && answer.MfaRequired {
		fmt.Println("method:", name(answer.MfaMethods[0]))
		pending := context.WithValue(ctx, client.ContextAccessToken, answer.AccessToken)
		proof := client.NewVerifyMfaLoginRequest(client.MFATYPE_GOOGLE_AUTH)
		proof.SetCode(os.Getenv("CODE"))
		session, _, wrong := api.SessionsAPI.VerifyMfaLogin(pending).VerifyMfaLoginRequest(*proof).Execute()
		if err = wrong; err == nil && session.FullAccessToken != "" {
			fmt.Println("signed in")
		}
	}
	var refused *client.GenericOpenAPIError
	if !errors.As(err, &refused) {
		return
	}
	switch union := refused.Model().(type) {
	case client.InvalidCredentialsErrorResponseOrOther:
		if known := union.InvalidCredentialsErrorResponse; known != nil {
			fmt.Println("error:", known.Code)
		} else {
			fmt.Println("other:", union.ErrorResponse.Code)
		}
	default:
		fmt.Println(err, string(refused.Body()))
	}
}

// A method that this client knows, or the word for a newer one.
func name(method client.MfaTypeOrOther) string {
	if method.MfaType != nil {
		return string(*method.MfaType)
	}
	return *method.String
}
