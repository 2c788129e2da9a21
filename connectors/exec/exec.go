// Package exec runs a program of yours and takes what it prints: fact lines,
// with lines that open and close scopes, or JSON rows that a declaration turns
// into facts (internal/connector/mapping). Only prumo.yaml may make such a
// source. The program gets no shell, no environment but what is named for it,
// and no child of it outlives the reading. What it prints on standard error
// goes to the log and to nobody's page.
//
// Start at Connector.Collect in collect.go; lines.go says what a line may be.
package exec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/fact"
)

// A Connector runs programs. It holds no state of a reading.
type Connector struct {
	lookupEnv func(string) (string, bool)
}

// New returns the connector; lookupEnv answers for the variables that a source
// hands on to its program.
func New(lookupEnv func(string) (string, bool)) connector.Connector {
	return Connector{lookupEnv: lookupEnv}
}

// What a program prints.
const (
	outputFacts = "facts" // fact lines and scope lines
	outputJSON  = "json"  // one JSON value, for maps
	outputLines = "lines" // a JSON object a line, each a row for maps
)

const (
	usualTimeout = 5 * time.Minute
	mostTimeout  = 24 * time.Hour
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "exec",
		Title: "Program",
		Summary: connector.Text{
			"en":    "Runs a program of yours on this machine and takes the facts that it prints.",
			"pt-BR": "Executa um programa seu nesta máquina e recebe os fatos que ele imprime.",
			"es":    "Ejecuta un programa suyo en esta máquina y toma los hechos que imprime.",
		},
		Origin: fact.OriginPushed,
		Kinds:  mapping.Kinds(),
		Every:  time.Hour,
		Local:  true,
		Fields: fields(),
		Check:  checkTogether,
	}
}

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

func fields() []connector.Field {
	return []connector.Field{
		{
			Name: "command", Type: connector.FieldCommand, Required: true, Label: text("Command", "Comando", "Comando"),
			Hint: text("The program and each of its arguments; no shell reads them", "O programa e cada um de seus argumentos; nenhum shell os lê", "El programa y cada uno de sus argumentos; ningún shell los lee"),
		},
		{
			Name: "directory", Type: connector.FieldPath, Default: ".", Label: text("Working folder", "Pasta de trabalho", "Carpeta de trabajo"),
			Hint: text("Empty: the folder of prumo.yaml", "Vazio: a pasta do prumo.yaml", "Vacío: la carpeta de prumo.yaml"),
		},
		{
			Name: "environment", Type: connector.FieldList, Check: checkEnvironment, Label: text("Environment", "Ambiente", "Entorno"),
			Hint: text("NAME hands a variable of Prumo's own on, NAME=value sets one; nothing else reaches the program", "NOME repassa uma variável do próprio Prumo, NOME=valor define uma; nada mais chega ao programa", "NOMBRE pasa una variable del propio Prumo, NOMBRE=valor define una; nada más llega al programa"),
		},
		{
			Name: "input", Type: connector.FieldSecret, Label: text("Input", "Entrada", "Entrada"),
			Hint: text("A secret that the program reads on standard input", "Um segredo que o programa lê na entrada padrão", "Un secreto que el programa lee en la entrada estándar"),
		},
		{
			Name: "timeout", Type: connector.FieldInt, Default: int64(usualTimeout / time.Second), Check: checkTimeout, Label: text("Time limit in seconds", "Limite de tempo em segundos", "Límite de tiempo en segundos"),
			Hint: text("After it the program is ended with all its children", "Depois dele o programa é encerrado com todos os filhos", "Después de él se termina el programa con todos sus hijos"),
		},
		{
			Name: "kinds", Type: connector.FieldList, Check: checkKinds, Label: text("Kinds", "Tipos", "Tipos"),
			Hint: text("Kinds that it prints facts of; a good run without any of a kind then means that there is none", "Tipos dos fatos que ele imprime; uma execução boa sem nenhum de um tipo significa então que não há nenhum", "Tipos de los hechos que imprime; una ejecución buena sin ninguno de un tipo significa entonces que no hay ninguno"),
		},
		{
			Name: "maps", Type: connector.FieldDocument, Check: checkMaps, Label: text("Maps", "Mapas", "Mapas"),
			Hint: text("For a program that prints JSON of its own: which facts its rows are, with examples", "Para um programa que imprime seu próprio JSON: que fatos são suas linhas, com exemplos", "Para un programa que imprime su propio JSON: qué hechos son sus filas, con ejemplos"),
		},
		{
			Name: "output", Type: connector.FieldText, Check: checkOutput, Label: text("Output", "Saída", "Salida"),
			Hint: text("facts, json (one value) or lines (a JSON object a line); empty: json with maps, else facts", "facts, json (um valor) ou lines (um objeto JSON por linha); vazio: json com mapas, senão facts", "facts, json (un valor) o lines (un objeto JSON por línea); vacío: json con mapas, si no facts"),
		},
	}
}

// checkTogether holds the settings to the rules between them.
func checkTogether(s connector.Settings) error {
	maps, facts := s.Text("maps") != "", outputOf(s) == outputFacts
	switch {
	case maps && facts:
		return errors.New("output: facts needs no maps; leave one of them out")
	case !maps && !facts:
		return errors.New("maps is missing; say which facts the JSON holds")
	case maps && len(s.List("kinds")) > 0:
		return errors.New("kinds is for fact lines; each map names its own kind")
	}
	if outputOf(s) != outputLines {
		return nil
	}
	all, err := parseMaps(s.Text("maps"))
	if err != nil { // told by the field itself
		return nil //nolint:nilerr // as above
	}
	for _, m := range all {
		if m.Extra["items"] != "" {
			return fmt.Errorf("map %s: items is for output: json; with lines each line is a row", m.Name)
		}
	}
	return nil
}

func outputOf(s connector.Settings) string {
	switch {
	case s.Text("output") != "":
		return s.Text("output")
	case s.Text("maps") != "":
		return outputJSON
	default:
		return outputFacts
	}
}

func checkOutput(v any) error {
	s, _ := v.(string)
	if !slices.Contains([]string{outputFacts, outputJSON, outputLines}, s) {
		return errors.New("must be facts, json or lines")
	}
	return nil
}

func checkTimeout(v any) error {
	n, _ := v.(int64)
	if n < 1 || n > int64(mostTimeout/time.Second) {
		return fmt.Errorf("must be from 1 to %d seconds", int64(mostTimeout/time.Second))
	}
	return nil
}

func checkKinds(v any) error {
	list, _ := v.([]string)
	for _, k := range list {
		if !slices.Contains(mapping.Kinds(), k) {
			return fact.NoKind(k)
		}
	}
	return nil
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkEnvironment(v any) error {
	list, _ := v.([]string)
	for _, e := range list {
		name, _, _ := strings.Cut(e, "=")
		if !variable.MatchString(name) {
			return errors.New("must hold NAME or NAME=value, with names of letters, digits and _")
		}
	}
	return nil
}

func checkMaps(v any) error {
	s, _ := v.(string)
	_, err := parseMaps(s)
	return err
}

// A declared map with the way to its rows in one JSON value.
type declared struct {
	*mapping.Map
	items *mapping.List
}

func parseMaps(text string) ([]declared, error) {
	maps, err := mapping.Parse(text, "items")
	if err != nil {
		return nil, err
	}
	var out []declared
	var problems []error
	for _, m := range maps {
		l, err := mapping.NewList(m.Extra["items"])
		if err != nil {
			problems = append(problems, fmt.Errorf("map %s: items: %w", m.Name, err))
		}
		out = append(out, declared{m, l})
	}
	return out, errors.Join(problems...)
}
