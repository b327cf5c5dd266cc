package main

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// verdictSets are what policy writers fill; the library combines them.
var verdictSets = []string{"forward", "mask", "hold", "reject", "limit"}

// ruleEntry is one line of the bundle's index from rules to controls.
type ruleEntry struct {
	ID       string   `json:"id"`
	Verdict  string   `json:"verdict"`
	Title    string   `json:"title"`
	Controls []string `json:"controls"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
}

// indexRules lists every rule that fills a verdict set, and finds those that an examiner could not trace to a control.
func indexRules(modules []module, controls *controlPack, found *findingsError) []ruleEntry {
	var entries []ruleEntry
	seen := map[string]*ast.Location{}
	for _, m := range modules {
		if !strings.HasPrefix(m.parsed.Package.Path.String(), "data.countersign.") {
			continue
		}
		for _, rule := range m.parsed.Rules {
			name := rule.Head.Name.String()
			if slices.Contains(verdictSets, name) && !neverFires(rule) && isVerdictRule(rule, found) {
				entry := ruleEntry{Verdict: name, File: m.name, Line: rule.Location.Row}
				readMetadata(rule, &entry, controls, found)
				checkUnique(entry.ID, rule.Location, seen, found)
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

// neverFires tells a rule that only declares its set: `mask contains {} if false`.
func neverFires(rule *ast.Rule) bool {
	return rule.Body.Equal(ast.NewBody(ast.NewExpr(ast.BooleanTerm(false))))
}

func isVerdictRule(rule *ast.Rule, found *findingsError) bool {
	if rule.Head.RuleKind() == ast.MultiValue && len(rule.Head.Args) == 0 && len(rule.Head.Ref()) == 1 {
		return true
	}
	found.at(rule.Location, "verdict_set", "write `"+rule.Head.Name.String()+" contains … if { … }`",
		"%s is one of the five verdict sets and can only be a set", rule.Head.Name)
	return false
}

func checkUnique(id string, place *ast.Location, seen map[string]*ast.Location, found *findingsError) {
	if id == "" {
		return
	}
	if first, taken := seen[id]; taken {
		found.at(place, "duplicate_rule", "give this rule an id of its own: decisions are traced by it",
			"rule id %q is already used at %s:%d", id, first.File, first.Row)
	}
	seen[id] = place
}

const metadataFix = "put a `# METADATA` comment with title, custom.id and custom.controls directly above the rule"

func readMetadata(rule *ast.Rule, entry *ruleEntry, controls *controlPack, found *findingsError) {
	at := slices.IndexFunc(rule.Annotations, func(a *ast.Annotations) bool { return a.Scope == "rule" })
	if at < 0 {
		found.at(rule.Location, "metadata", metadataFix, "a rule that fills %q has no METADATA", entry.Verdict)
		return
	}
	annotation := rule.Annotations[at]
	entry.Title = annotation.Title
	entry.ID, _ = annotation.Custom["id"].(string)
	if entry.ID == "" || entry.Title == "" {
		found.at(annotation.Location, "metadata", metadataFix, "METADATA needs a title and custom.id")
	}
	listed, _ := annotation.Custom["controls"].([]any)
	if len(listed) == 0 {
		found.at(annotation.Location, "metadata", metadataFix, "rule %q names no control", entry.ID)
	}
	for _, value := range listed {
		id, _ := value.(string)
		if !controls.ids[id] {
			found.at(annotation.Location, "unknown_control", "name a control of compliance-mappings (version "+controls.Version+
				"), or add it there first", "control %v is not in the control pack", value)
			continue
		}
		entry.Controls = append(entry.Controls, id)
	}
}
