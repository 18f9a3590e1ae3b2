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
	tokens := api.AuthenticationAPI.RequestToken(ctx)
	answer, _, err := tokens.GrantType("Password").Username(os.Getenv("NAME")).Password(os.Getenv("PASSWORD")).Execute()
	if err == nil && answer.MfaToken != nil {
		fmt.Println("method:", answer.GetMfaMethod())
		answer, _, err = tokens.GrantType("Mfa").MfaToken(*answer.MfaToken).MfaCode(os.Getenv("CODE")).Execute()
	}
	if err == nil && answer.AccessToken != nil {
		fmt.Println("signed in")
	}
	var refused *client.GenericOpenAPIError
	if !errors.As(err, &refused) {
		return
	}
	switch union := refused.Model().(type) {
	case client.RequestTokenError401:
		if known := union.InvalidCredentialsErrorResponse; known != nil {
			fmt.Println("error:", known.Code)
		} else if union.ErrorResponse != nil {
			fmt.Println("other:", union.ErrorResponse.Code)
		}
	default:
		fmt.Println(err, string(refused.Body()))
	}
}
