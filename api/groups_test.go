package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// sources are a directory "corp" with alice, dev and ops, and an OIDC provider "sso".
func sources() []project.Source {
	return []project.Source{
		{Name: "corp", Groups: store.GroupLDAP, GroupKey: func(dn string) (string, error) {
			if !strings.Contains(dn, "=") {
				return "", errs.New(errs.Invalid, "no DN").WithHint("write one")
			}
			return strings.ToLower(strings.ReplaceAll(dn, ", ", ",")), nil
		}, Directory: directory{}},
		{Name: "sso", Groups: store.GroupOIDC},
	}
}

func probe(_ context.Context, s project.LDAPSettings) error {
	if s.URL == "" {
		return errs.New(errs.Invalid, "urls is missing").WithHint("give it")
	}
	return fmt.Errorf("connecting to %s: refused", s.URL)
}

type directory struct{}

func (directory) Ping(context.Context) error { return nil }

func (directory) SearchUsers(_ context.Context, text string, _ int) ([]project.DirectoryUser, error) {
	if text == "down" {
		return nil, errors.New("connection refused")
	}
	return []project.DirectoryUser{{Name: "alice", RealName: "Alice", Email: "alice@example.com"}}, nil
}

func (directory) SearchGroups(context.Context, string, int) ([]project.DirectoryGroup, error) {
	return []project.DirectoryGroup{{Name: "Dev", Key: "cn=dev,dc=x"}}, nil
}

func (directory) DirectoryGroup(_ context.Context, dn string) (project.DirectoryGroup, error) {
	for _, name := range []string{"Dev", "Ops"} {
		if key := "cn=" + strings.ToLower(name) + ",dc=x"; strings.EqualFold(strings.ReplaceAll(dn, ", ", ","), key) {
			return project.DirectoryGroup{Name: name, Key: key}, nil
		}
	}
	return project.DirectoryGroup{}, errs.New(errs.NotFound, "no such group")
}

func (directory) Import(_ context.Context, name string) error {
	if strings.HasPrefix(name, "a") || strings.HasPrefix(name, "b") {
		return nil
	}
	return errs.New(errs.NotFound, "no such user")
}

// holds fails the test when the answer's body lacks a text.
func (w *world) holds(a answer, what string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			w.t.Errorf("%s = %s, want %s in it", what, a.body, text)
		}
	}
}

func TestUserGroups(t *testing.T) {
	w := newWorld(t)
	const groups = "/api/v2.0/usergroups"
	at := func(g int) string { return fmt.Sprint(groups, "/", g) }
	made := w.want(w.as(admin, "POST", groups, `{"group_name":"crew"}`), http.StatusCreated, "POST of a group kept here")
	if want := at(2); made.header.Get("Location") != want {
		t.Errorf("Location = %q, want %q", made.header.Get("Location"), want)
	}
	w.want(w.as(admin, "POST", groups, `{"group_name":"CREW","group_type":0}`), http.StatusConflict, "POST of it again")
	w.want(w.as(admin, "POST", groups, `{"group_type":1,"ldap_group_dn":"CN=Dev, DC=x"}`), http.StatusCreated, "POST of one of a directory")
	w.want(w.as(admin, "POST", groups, `{"group_name":"again","group_type":1,"ldap_group_dn":"cn=dev,dc=x"}`), http.StatusConflict, "POST of it again")
	for _, body := range []string{
		`{}`, `{"group_name":"a b"}`, `{"group_name":"x","group_type":2}`, `{"group_name":"x","group_type":9}`, `{"group_name":"x","group_type":1}`,
		`{"group_name":"x","group_type":1,"ldap_group_dn":"dev"}`, `{"ldap_group_dn":"cn=nope,dc=x"}`, `{"group_name":"x\u0001","group_type":3}`,
		`{"group_name":"x","group_type":3,"source":"corp"}`,
	} {
		w.want(w.as(admin, "POST", groups, body), http.StatusBadRequest, "POST of %s", body)
	}
	w.holds(w.as(admin, "GET", at(3), ""), "GET of the directory's", `"group_name":"Dev"`, `"group_type":1`, `"ldap_group_dn":"cn=dev,dc=x"`, `"source":"corp"`)
	list := w.want(w.as(admin, "GET", groups+"?page_size=2", ""), http.StatusOK, "GET of the list")
	if list.header.Get("X-Total-Count") != "3" || !strings.Contains(list.header.Get("Link"), `rel="next"`) {
		t.Errorf("GET of the list has %v, want 3 in all and a next page", list.header)
	}
	for query, want := range map[string]string{"ldap_group_dn=CN%3DDev,%20DC%3Dx": "1", "group_name=re": "2", "group_name=nope": "0"} {
		if got := w.as(admin, "GET", groups+"?"+query, "").header.Get("X-Total-Count"); got != want {
			t.Errorf("GET with %s finds %s, want %s", query, got, want)
		}
	}
	w.want(w.as(admin, "PUT", at(2), `{"group_name":"releasers"}`), http.StatusOK, "PUT")
	w.want(w.as(admin, "PUT", at(2), `{"group_name":"readers"}`), http.StatusConflict, "PUT of a taken name")
	w.want(w.as(admin, "PUT", at(2), `{}`), http.StatusBadRequest, "PUT of nothing")
	w.want(w.as(admin, "PUT", at(99), `{"group_name":"x"}`), http.StatusNotFound, "PUT of none")

	w.holds(w.as(admin, "GET", groups+"/search?groupname=r", ""), "search by somebody who may list", `"releasers"`, `"readers"`)
	if got := w.as(bob, "GET", groups+"/search?groupname=reader", ""); got.body != "[]\n" {
		t.Errorf("search by a part of a name by bob = %s, want nothing", got.body)
	}
	w.holds(w.as(bob, "GET", groups+"/search?groupname=READERS", ""), "search by the name by bob", `"readers"`)

	w.want(w.as(admin, "POST", at(2)+"/members", `{"username":"bob"}`), http.StatusCreated, "POST of a member")
	w.want(w.as(admin, "POST", at(2)+"/members", `{"username":"bob"}`), http.StatusConflict, "POST of it again")
	w.want(w.as(admin, "POST", at(2)+"/members", `{}`), http.StatusBadRequest, "POST of nobody")
	w.want(w.as(admin, "POST", at(2)+"/members", `{"username":"zoe"}`), http.StatusNotFound, "POST of an unknown user")
	w.want(w.as(admin, "POST", at(3)+"/members", `{"username":"bob"}`), http.StatusBadRequest, "POST of a member of a directory's")
	members := w.as(admin, "GET", at(2)+"/members", "")
	w.holds(members, "GET of the members", `"username":"bob"`)
	if strings.Contains(members.body, "example.com") {
		t.Errorf("GET of the members tells more than names: %s", members.body)
	}
	w.want(w.as(admin, "GET", at(3)+"/members", ""), http.StatusBadRequest, "GET of the members of a directory's")
	w.want(w.as(admin, "DELETE", fmt.Sprint(at(2), "/members/", w.users[bob].ID), ""), http.StatusOK, "DELETE of a member")
	w.want(w.as(admin, "DELETE", fmt.Sprint(at(2), "/members/", w.users[bob].ID), ""), http.StatusNotFound, "DELETE of it again")
	w.want(w.as(admin, "DELETE", at(2), ""), http.StatusOK, "DELETE")
	w.want(w.as(admin, "GET", at(2), ""), http.StatusNotFound, "GET after DELETE")
}

func TestMembersByGroup(t *testing.T) {
	w := newWorld(t)
	const members = "/api/v2.0/projects/team/members"
	add := func(who, group string) answer {
		return w.as(who, "POST", members, `{"role_id":3,"member_group":`+group+`}`)
	}
	w.want(add(alice, `{"group_name":"readers","group_type":0}`), http.StatusCreated, "a group kept here")
	w.want(add(alice, `{"group_name":"readers"}`), http.StatusConflict, "the same again")
	w.want(add(alice, `{"group_type":1,"ldap_group_dn":"CN=Dev,DC=x"}`), http.StatusCreated, "one of a directory that nobody spoke of")
	w.want(add(alice, `{"group_type":1,"group_name":"dev"}`), http.StatusConflict, "the same by its name")
	w.want(add(alice, `{"group_type":3,"group_name":"platform"}`), http.StatusCreated, "one of a provider")
	w.want(add(admin, fmt.Sprintf(`{"id":%d}`, w.group.ID)), http.StatusConflict, "by id, by somebody who may list groups")
	w.want(add(alice, fmt.Sprintf(`{"id":%d}`, w.group.ID)), http.StatusBadRequest, "by id, by somebody who may not")
	w.want(add(alice, `{"group_type":1,"ldap_group_dn":"cn=nope,dc=x"}`), http.StatusBadRequest, "one that the directory does not have")
	w.want(add(alice, `{"group_type":1,"group_name":"ops"}`), http.StatusNotFound, "one of a directory by a name that is not recorded")
	w.want(add(alice, `{"group_name":"nope"}`), http.StatusNotFound, "none")
	w.want(add(alice, `{"group_type":1}`), http.StatusBadRequest, "no name")
	w.want(add(mia, `{"group_name":"readers"}`), http.StatusForbidden, "by a maintainer")
	w.want(w.as(alice, "POST", members, `{"role_id":3,"member_group":{"group_name":"readers"},"member_user":{"username":"bob"}}`), http.StatusBadRequest, "both")
	list := w.as(gwen, "GET", members+"?entityname=READ", "")
	w.holds(list, "the list", `"entity_type":"g"`, `"entity_name":"readers"`, fmt.Sprintf(`"entity_id":%d`, w.group.ID), `"role_name":"guest"`)

	// dave has a role of his own and one by the group; bob one by the group only.
	w.holds(w.as(dave, "GET", "/api/v2.0/projects/team", ""), "dave's roles", `"current_user_role_id":2`, `"current_user_role_ids":[2,3]`)
	w.want(w.as(bob, "GET", "/api/v2.0/projects/team", ""), http.StatusNotFound, "bob before he is in the group")
	w.want(w.as(admin, "POST", fmt.Sprint("/api/v2.0/usergroups/", w.group.ID, "/members"), `{"username":"bob"}`), http.StatusCreated, "bob joins")
	w.holds(w.as(bob, "GET", "/api/v2.0/projects?name=team", ""), "bob's projects", `"name":"team"`, `"current_user_role_id":3`, `"current_user_role_ids":[3]`)
	w.want(w.as(admin, "DELETE", fmt.Sprint("/api/v2.0/usergroups/", w.group.ID), ""), http.StatusOK, "the group goes")
	w.want(w.as(bob, "GET", "/api/v2.0/projects/team", ""), http.StatusNotFound, "bob after the group is gone")
}

func TestLdap(t *testing.T) {
	w := newWorld(t)
	const ldap = "/api/v2.0/ldap"
	w.holds(w.as(admin, "POST", ldap+"/ping", ""), "ping", `"success":true`)
	w.holds(w.as(admin, "POST", ldap+"/ping?source=corp", "{}"), "ping of a source", `"success":true`)
	tried := w.as(admin, "POST", ldap+"/ping", `{"ldap_url":"ldaps://h","ldap_search_dn":"cn=r","ldap_search_password":"canary"}`)
	w.holds(tried, "ping with settings", `"success":false`, `ldaps://h`)
	for _, body := range []string{`{"ldap_search_dn":"cn=r"}`, `{"ldap_url":"ldaps://h","ldap_verify_cert":false}`, `[]`, `{"ldap_url":1}`} {
		w.want(w.as(admin, "POST", ldap+"/ping", body), http.StatusBadRequest, "ping with %s", body)
	}
	w.want(w.as(admin, "POST", ldap+"/ping?source=sso", ""), http.StatusBadRequest, "ping of what is no directory")
	w.holds(w.as(admin, "GET", ldap+"/users/search?username=ali", ""), "search", `"username":"alice"`, `"realname":"Alice"`, `"email":"alice@example.com"`)
	w.want(w.as(admin, "GET", ldap+"/users/search?source=none", ""), http.StatusBadRequest, "search in no source")
	if down := w.as(admin, "GET", ldap+"/users/search?username=down", ""); down.status != http.StatusServiceUnavailable || strings.Contains(down.body, "refused") {
		t.Errorf("search in a directory that is down = %d %s, want 503 and no cause", down.status, down.body)
	}
	w.holds(w.as(admin, "GET", ldap+"/groups/search?groupname=d", ""), "groups", `"group_name":"Dev"`, `"ldap_group_dn":"cn=dev,dc=x"`, `"group_type":1`)
	w.holds(w.as(admin, "GET", ldap+"/groups/search?groupdn=cn%3Dops,dc%3Dx", ""), "a group by DN", `"Ops"`)
	w.holds(w.as(admin, "GET", ldap+"/groups/search?groupdn=cn%3Dnope,dc%3Dx", ""), "no group", `[]`)
	w.want(w.as(admin, "POST", ldap+"/users/import", `{"ldap_uid_list":["alice","bob"]}`), http.StatusOK, "import")
	w.holds(w.want(w.as(admin, "POST", ldap+"/users/import", `{"ldap_uid_list":["alice","zoe"]}`), http.StatusNotFound, "import of one who is not there"), "it", "zoe")
	w.want(w.as(admin, "POST", ldap+"/users/import", `{"ldap_uid_list":[]}`), http.StatusBadRequest, "import of nobody")
	many := `"a` + strings.Repeat(`","a`, 100) + `"`
	w.want(w.as(admin, "POST", ldap+"/users/import", `{"ldap_uid_list":[`+many+`]}`), http.StatusBadRequest, "import of too many")
	for r, err := range w.store.ListAudit(t.Context(), store.Filter{}) {
		if err != nil || strings.Contains(fmt.Sprint(r), "canary") {
			t.Errorf("audit record %+v, %v, want no secret", r, err)
		}
	}
	if strings.Contains(w.log.String(), "canary") {
		t.Error("the log has the secret of a ping")
	}
}
