package http

import (
	"slices"

	"prumo.dev/prumo/internal/connector"
)

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

func fields() []connector.Field {
	return slices.Concat([]connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Label: text("Address", "Endereço", "Dirección"),
			Hint: text("Where the system answers, such as https://hr.example.com/api; each map goes on from it with its path", "Onde o sistema responde, como https://rh.example.com/api; cada mapa continua dele com seu path", "Donde responde el sistema, como https://rrhh.example.com/api; cada mapa sigue desde ahí con su path"),
		},
		{
			Name: "file", Type: connector.FieldPath, Label: text("File", "Arquivo", "Archivo"),
			Hint: text("A JSON file in place of a system; - is standard input of `prumo check`", "Um arquivo JSON no lugar de um sistema; - é a entrada padrão de `prumo check`", "Un archivo JSON en lugar de un sistema; - es la entrada estándar de `prumo check`"),
		},
		{
			Name: "maps", Type: connector.FieldDocument, Required: true, Check: checkMaps, Label: text("Maps", "Mapas", "Mapas"),
			Hint: text("A list in YAML: what is asked, which rows it holds, and which facts they are, with examples", "Uma lista em YAML: o que se pergunta, quais linhas há na resposta e que fatos são, com exemplos", "Una lista en YAML: qué se pregunta, qué filas contiene y qué hechos son, con ejemplos"),
		},
	}, credentials(), connector.TLSFields(), []connector.Field{{
		Name: "headers", Type: connector.FieldMap, Check: checkHeaders, Label: text("Headers", "Cabeçalhos", "Cabeceras"),
		Hint: text("Sent with every request; no credentials", "Enviados em cada pedido; sem credenciais", "Se envían con cada petición; sin credenciales"),
	}, {
		Name: "requests_per_second", Type: connector.FieldInt, Default: 10, Label: text("Requests per second", "Pedidos por segundo", "Peticiones por segundo"),
		Hint: text("At most so many", "No máximo tantos", "Como máximo tantas"),
	}})
}

func credentials() []connector.Field {
	return []connector.Field{
		{
			Name: "token", Type: connector.FieldSecret, Check: checkHeaderValue, Label: text("Token", "Token", "Token"),
			Hint: text("Sent as Authorization: Bearer, or in the header named below", "Enviado como Authorization: Bearer, ou no cabeçalho indicado abaixo", "Se envía como Authorization: Bearer, o en la cabecera indicada abajo"),
		},
		{
			Name: "token_header", Type: connector.FieldText, Check: checkHeaderName, Label: text("Header of the token", "Cabeçalho do token", "Cabecera del token"),
			Hint: text("Such as X-API-Key, which holds the token alone", "Como X-API-Key, que leva só o token", "Como X-API-Key, que lleva solo el token"),
		},
		{
			Name: "user", Type: connector.FieldText, Label: text("User", "Usuário", "Usuario"),
			Hint: text("For basic authentication, with the password", "Para autenticação básica, com a senha", "Para autenticación básica, con la contraseña"),
		},
		{Name: "password", Type: connector.FieldSecret, Label: text("Password", "Senha", "Contraseña")},
		{
			Name: "token_url", Type: connector.FieldURL, Label: text("Address of tokens", "Endereço dos tokens", "Dirección de los tokens"),
			Hint: text("For OAuth2 client credentials, with client id and secret", "Para OAuth2 client credentials, com id e segredo do cliente", "Para OAuth2 client credentials, con id y secreto del cliente"),
		},
		{Name: "client_id", Type: connector.FieldText, Label: text("Client id", "Id do cliente", "Id del cliente")},
		{Name: "client_secret", Type: connector.FieldSecret, Label: text("Client secret", "Segredo do cliente", "Secreto del cliente")},
		{Name: "scopes", Type: connector.FieldList, Label: text("Scopes", "Escopos", "Alcances"), Hint: text("What the token is asked for", "O que se pede para o token", "Lo que se pide para el token")},
		{
			Name: "token_parameters", Type: connector.FieldMap, Label: text("Further parameters of the token", "Outros parâmetros do token", "Otros parámetros del token"),
			Hint: text("Such as audience; no secrets", "Como audience; sem segredos", "Como audience; sin secretos"),
		},
	}
}
