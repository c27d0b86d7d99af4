package service

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/store"
)

const (
	usualPage = 50
	mostPage  = 500
)

func payment(request *paymentsv1.MakePaymentRequest) (store.Payment, error) {
	userID, err := parseID("user_id", request.GetUserId())
	if err != nil {
		return store.Payment{}, err
	}
	amount := request.GetAmount()
	if unit, err := currency.ParseISO(amount.GetCurrency()); err != nil || unit.String() != amount.GetCurrency() {
		return store.Payment{}, invalid("amount.currency must be an ISO 4217 code in upper case, like EUR; it is %.10q",
			amount.GetCurrency())
	}
	if amount.GetMinorUnits() <= 0 {
		return store.Payment{}, invalid("amount.minor_units must be more than 0; it is %d", amount.GetMinorUnits())
	}
	key := request.GetIdempotencyKey()
	if length := utf8.RuneCountInString(key); length < 1 || length > 100 || strings.ContainsFunc(key, unicode.IsControl) {
		return store.Payment{}, invalid("idempotency_key must have 1 to 100 characters, none of them a control "+
			"character; it has %d", length)
	}
	return store.Payment{
		UserID: userID, Currency: amount.GetCurrency(), MinorUnits: amount.GetMinorUnits(), IdempotencyKey: key,
	}, nil
}

func page(request *paymentsv1.ListPaymentsRequest) (store.Page, error) {
	page := store.Page{Most: int(request.GetPageSize())}
	if page.Most < 0 || page.Most > mostPage {
		return page, invalid("page_size must be from 1 to %d, or 0 for %d; it is %d", mostPage, usualPage, page.Most)
	}
	if page.Most == 0 {
		page.Most = usualPage
	}
	if request.GetUserId() != "" {
		id, err := parseID("user_id", request.GetUserId())
		if err != nil {
			return page, err
		}
		page.UserID = &id
	}
	if token := request.GetPageToken(); token != "" {
		before, err := strconv.ParseInt(token, 10, 64)
		if err != nil {
			return page, invalid("page_token must be the next_page_token of the page before, or empty")
		}
		page.Before = &before
	}
	return page, nil
}
