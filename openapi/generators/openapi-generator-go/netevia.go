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
	password := client.NewAuthRequest(os.Getenv("PASSWORD"))
	password.SetLogin(os.Getenv("NAME"))
	answer, _, err := api.AuthenticationAPI.Authenticate(ctx).AuthRequest(*password).Execute()
	if err == nil && answer.AuthMfaRequiredResponse != nil {
		fmt.Println("method:", answer.AuthMfaRequiredResponse.MfaMethod)
		proof := client.NewCompleteAuthRequest(answer.AuthMfaRequiredResponse.MfaToken)
		proof.SetCode(os.Getenv("CODE"))
		session, _, wrong := api.AuthenticationAPI.CompleteAuthentication(ctx).CompleteAuthRequest(*proof).Execute()
		if err = wrong; err == nil && session.Token != "" {
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
