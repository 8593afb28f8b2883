package settings

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/sealock/sealock/store/workload"
)

// completeWorkloads fills in what rules leave away.
func (c *Config) completeWorkloads() {
	for i := range c.Workloads {
		if c.Workloads[i].MaxLife == 0 {
			c.Workloads[i].MaxLife = workload.DefaultMaxLife
		}
	}
}

func (c *Config) validateWorkloads(v *validator) {
	var seen []string
	for i, rule := range c.Workloads {
		path := fmt.Sprintf("workloads[%d].", i)
		rule.Check(func(key, what, remedy string) { v.check(false, path+key, what, remedy) })
		v.check(!slices.Contains(seen, rule.Name), path+"name", fmt.Sprintf("the name %q is there already", rule.Name), "give each rule a name of its own")
		v.check(rule.Issuer != c.Token.Issuer, path+"issuer", "is what this server calls itself (token.issuer)", "trust others only")
		seen = append(seen, rule.Name)
	}
}

// valuesHook reads what a claim may be: one text or a list of them. A comma is a part of the text, and what YAML takes
// for a number or for true is what a claim would say.
func valuesHook(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[workload.Values]() {
		return value, nil
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	values := workload.Values{}
	for _, one := range list {
		switch one := one.(type) {
		case string:
			values = append(values, one)
		case bool, int, int64, uint64:
			values = append(values, fmt.Sprint(one))
		default:
			return nil, fmt.Errorf("a claim can be a text or a list of texts, and not %T", one)
		}
	}
	return values, nil
}
